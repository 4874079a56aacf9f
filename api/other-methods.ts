import type { FastifyInstance } from 'fastify'
import { problem } from './problems.ts'

/**
 * A path that is known answers 405 to the methods that it has not, and says which it has (RFC 9110 §15.5.6).
 *
 * @returns adds the refusals; call it when all routes are there
 */
export function watchMethods(app: FastifyInstance): (scope: FastifyInstance) => void {
  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    // `/*` is whatever is not known.
    if (url.startsWith('/docs') || url === '/*') return
    const methods = known.get(url) ?? new Set()
    known.set(url, methods)
    for (const each of [method].flat()) methods.add(each)
    if (methods.has('GET')) methods.add('HEAD')
  })

  return (scope) => {
    for (const [url, methods] of known) {
      const allow = [...methods].join(', ')
      const refuse = async () => {
        throw problem('method_not_allowed', `Allowed here: ${allow}.`, { headers: { allow } })
      }
      const method = scope.supportedMethods.filter((each) => !methods.has(each))
      // Refused before the body is read.
      scope.route({ url, method, schema: { hide: true }, onRequest: refuse, handler: refuse })
    }
  }
}
