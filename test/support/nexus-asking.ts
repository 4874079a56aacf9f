/**
 * A workflow that asks the service `otp` for whatever it is given, well-formed or not.
 */
import { createNexusServiceClient } from '@temporalio/workflow'
import { otpService } from '../../nexus/service.ts'

export interface Asking {
  readonly endpoint: string
  readonly operation: keyof typeof otpService.operations
  readonly input: unknown
}

export async function askOtp({ endpoint, operation, input }: Asking): Promise<unknown> {
  const otp = createNexusServiceClient({ endpoint, service: otpService })
  return otp.executeOperation(operation, input as never, { scheduleToCloseTimeout: '20s' })
}
