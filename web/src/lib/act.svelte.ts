import { ApiProblem, asProblem } from '../api/problem';

/** Something that a button does: whether it is under way, and what it met. */
export class Act {
  isBusy = $state(false);
  problem = $state.raw<ApiProblem | undefined>(undefined);

  /** Runs `work` unless it runs already; a problem is kept to be shown. */
  run = async (work: () => Promise<unknown>): Promise<void> => {
    if (this.isBusy) return;
    this.isBusy = true;
    this.problem = undefined;
    try {
      await work();
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.isBusy = false;
    }
  };
}
