/**
 * The pages that members see (P), in a scope of their own: bodies are forms, and problems are pages.
 */
import formbody from '@fastify/formbody'
import cookie from '@fastify/cookie'
import type { FastifyInstance } from 'fastify'
import { renderProblem } from '../../pages/members/problem-page.ts'
import { serveAssets } from '../assets.ts'
import type { RouteDeps } from '../deps.ts'
import { describeError } from '../../logging/describe-error.ts'
import { problem } from '../problems.ts'
import { codeEntryRoutes } from './code-entry-routes.ts'
import { refuseOtherSites } from './cross-site.ts'
import { destinationRoutes } from './destination-routes.ts'
import { helpRoutes } from './help-routes.ts'
import { languageRoutes } from './language-routes.ts'
import { linkRoutes } from './link-routes.ts'
import { otherPaths } from './other-paths.ts'
import { toPageProblem } from './page-problems.ts'
import { createPageTools, PAGE_ASSETS, type PageTools } from './page-tools.ts'

/** A code, an attempt's id, a phone number: more is no form of ours. */
const FORM_LIMIT_BYTES = 4_096

export async function memberPages(app: FastifyInstance, deps: RouteDeps): Promise<void> {
  const tools = createPageTools(deps)
  app.removeAllContentTypeParsers()
  await app.register(formbody, { bodyLimit: FORM_LIMIT_BYTES, parser: readForm })
  await app.register(cookie)
  app.addHook('onRequest', async (request) => refuseOtherSites(request, deps.pages.publicUrl))
  answerProblemsAsPages(app, tools)

  serveAssets(app, PAGE_ASSETS)
  languageRoutes(app, tools)
  await app.register((scope) => helpRoutes(scope, deps, tools))
  linkRoutes(app, deps, tools)
  codeEntryRoutes(app, deps, tools)
  destinationRoutes(app, deps, tools)
  otherPaths(app)
}

/** The fields of a form, each of which stands once. */
function readForm(body: string): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(body)) {
    if (Object.hasOwn(fields, name)) throw problem('invalid_request', 'A field stands twice in the form.')
    fields[name] = value
  }
  return fields
}

function answerProblemsAsPages(app: FastifyInstance, tools: PageTools): void {
  app.setErrorHandler((error, request, reply) => {
    const { kind, status } = toPageProblem(error)
    if (status >= 500) request.log.error({ err: describeError(error) }, kind)
    return tools.sendPage(request, reply, { ...renderProblem(tools.languageOf(request), kind), status })
  })
}
