import type { Component } from 'svelte';
import { matchPath } from './lib/paths';
import Account from './pages/account/Account.svelte';
import Home from './pages/account/Home.svelte';
import Keys from './pages/account/Keys.svelte';
import NotFound from './pages/account/NotFound.svelte';
import JobPage from './pages/artist/JobPage.svelte';
import Jobs from './pages/artist/Jobs.svelte';
import NewJob from './pages/artist/NewJob.svelte';
import QuotePage from './pages/artist/QuotePage.svelte';
import NewStream from './pages/broadcast/NewStream.svelte';
import StreamPage from './pages/broadcast/StreamPage.svelte';
import Streams from './pages/broadcast/Streams.svelte';
import WebhookPage from './pages/account/WebhookPage.svelte';
import Webhooks from './pages/account/Webhooks.svelte';
import AddNode from './pages/node/AddNode.svelte';
import NodePage from './pages/node/NodePage.svelte';
import Nodes from './pages/node/Nodes.svelte';
import AllNodes from './pages/operator/AllNodes.svelte';
import Gateways from './pages/operator/Gateways.svelte';
import Ledger from './pages/operator/Ledger.svelte';
import Payouts from './pages/operator/Payouts.svelte';
import Queue from './pages/operator/Queue.svelte';
import Settlement from './pages/operator/Settlement.svelte';
import Workers from './pages/operator/Workers.svelte';

type PageComponent = Component<any>;

const ROUTES: [string, PageComponent][] = [
  ['/', Home],
  ['/jobs', Jobs],
  ['/jobs/new', NewJob],
  ['/jobs/:job', JobPage],
  ['/jobs/:job/:tab', JobPage],
  ['/quotes/:quote', QuotePage],
  ['/nodes', Nodes],
  ['/nodes/add', AddNode],
  ['/nodes/:node', NodePage],
  ['/streams', Streams],
  ['/streams/new', NewStream],
  ['/streams/:stream', StreamPage],
  ['/streams/:stream/:tab', StreamPage],
  ['/webhooks', Webhooks],
  ['/webhooks/:webhook', WebhookPage],
  ['/operate/queue', Queue],
  ['/operate/nodes', AllNodes],
  ['/operate/workers', Workers],
  ['/operate/gateways', Gateways],
  ['/operate/ledger', Ledger],
  ['/operate/payouts', Payouts],
  ['/operate/settlement', Settlement],
  ['/keys', Keys],
  ['/account', Account],
];

export interface Found {
  page: PageComponent;
  names: Record<string, string>;
  /** Changes where the page must be made anew, and not where only its tab changes. */
  key: string;
}

/** The page that a path shows. */
export function pageAt(path: string): Found {
  for (const [pattern, page] of ROUTES) {
    const names = matchPath(pattern, path);
    if (!names) continue;
    const { tab: _, ...identity } = names;
    return { page, names, key: pattern.replace('/:tab', '') + JSON.stringify(identity) };
  }
  return { page: NotFound, names: {}, key: path };
}
