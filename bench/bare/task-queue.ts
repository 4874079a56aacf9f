/** The bare loop's own, so that neither worker takes the other's tasks. */
export const BARE_TASK_QUEUE = 'bench-bare-loop'
