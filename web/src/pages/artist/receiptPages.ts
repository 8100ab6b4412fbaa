import { api, take } from '../../api/client';
import type { Receipt } from '../../api/types';
import { Pages } from '../../lib/pages.svelte';

/** The receipts of a job, in the order of its leases. */
export function receiptPages(job: string): Pages<Receipt> {
  return new Pages(
    (cursor) =>
      take(
        api.GET('/v1/jobs/{job}/receipts', {
          params: { path: { job }, query: { limit: 200, ...(cursor && { cursor }) } },
        }),
      ),
    (receipt) => receipt.commit.lease,
  );
}
