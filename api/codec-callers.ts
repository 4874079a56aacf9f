/**
 * Who may read payloads (O1): callers as those of the API, with the scope `payloads:decode`.
 */
import type { Config } from '../config.ts'
import type { CodecServerOptions } from '../temporal/codec-server.ts'
import { authorizationOf, createAuthenticator, requireScope } from './callers.ts'
import { ProblemError } from './problems.ts'

const STATUS: Readonly<Record<string, 403 | 503>> = { forbidden: 403, unavailable: 503 }

export function codecCallers(
  callers: Pick<Config<'callers'>['callers'], 'apiKeys' | 'tokens'>,
): NonNullable<CodecServerOptions['authenticate']> {
  const authenticate = createAuthenticator(callers)
  return async (request) => {
    try {
      const caller = await authenticate(authorizationOf(request))
      requireScope(caller, 'payloads:decode')
      const { name, subject } = caller
      return { caller: name, ...(subject !== undefined && { sub: subject }) }
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      return { status: STATUS[error.code] ?? 401 }
    }
  }
}
