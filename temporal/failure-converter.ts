/**
 * Failure messages and stack traces go through the codec too. Loaded by path, into the workflow sandbox as well.
 */
import { DefaultFailureConverter } from '@temporalio/common'

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true })
