import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config.ts'
import type { Scope } from '../domain/scopes.ts'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'

/** The document of all routes that are registered after it, at `/openapi.json`, and browsable at `/docs`. */
export function serveOpenApi(app: FastifyInstance, { tokens }: Pick<Config<'callers'>['callers'], 'tokens'>): void {
  const schemes = securitySchemes(tokens)
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'One-time passwords',
        version: '1',
        description: 'Challenges for the members of a mileage bank. Errors are problem details (RFC 9457).',
      },
      components: { securitySchemes: schemes },
    },
    transform: (route) => withScope(jsonSchemaTransform(route), route.route.config?.scope, Object.keys(schemes)),
    transformObject: mended,
  })
  app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}

const securitySchemes = (tokens: Config<'callers'>['callers']['tokens']) => ({
  apiKey: { type: 'http' as const, scheme: 'bearer', description: 'An API key' },
  ...(tokens && {
    accessToken: {
      type: 'http' as const,
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: `An access token of ${tokens.issuer} (client credentials grant) for the audience ${tokens.audience}`,
    },
  }),
})

type Transformed = ReturnType<typeof jsonSchemaTransform>

/** What the guard of the routes asks for, as the document says it: by either way in, with this scope. */
function withScope({ schema, url }: Transformed, scope: Scope | undefined, schemes: readonly string[]): Transformed {
  if (scope === undefined) return { schema, url }
  const needs = `Needs the scope \`${scope}\`.`
  const description = schema.description === undefined ? needs : `${schema.description} ${needs}`
  return { schema: { ...schema, description, security: schemes.map((name) => ({ [name]: [scope] })) }, url }
}

/**
 * Every named schema is of an answer: what the transform adds for requests, nothing refers to. A body of which no field
 * is required may be left out.
 */
const mended: typeof jsonSchemaTransformObject = (document) => {
  const transformed = jsonSchemaTransformObject(document)
  if (!('components' in transformed)) return transformed
  const schemas = transformed.components?.schemas ?? {}
  for (const name of Object.keys(schemas)) if (name.endsWith('Input')) Reflect.deleteProperty(schemas, name)
  for (const item of Object.values(transformed.paths ?? {})) {
    const body = item?.post?.requestBody
    if (!body || !('content' in body)) continue
    const schema = body.content['application/json']?.schema
    if (schema && 'type' in schema && schema.required === undefined) body.required = false
  }
  return transformed
}
