import { ApiProblem, asProblem } from '../api/problem';
import { keepFocus } from './focus';

/** Something that a button does: whether it is under way, and what it met. */
export class Act {
  isBusy = $state(false);
  problem = $state.raw<ApiProblem | undefined>(undefined);

  /** Runs `work` unless it runs already; a problem is kept to be shown. */
  run = async (work: () => Promise<unknown>): Promise<void> => {
    if (this.isBusy) return;
    // A button that is disabled while it works loses the focus.
    const giveBack = keepFocus();
    this.isBusy = true;
    this.problem = undefined;
    try {
      await work();
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.isBusy = false;
      void giveBack();
    }
  };
}
