/**
 * A server in a process of its own, as far as a member's browser asks of one in this process.
 */
import type { FastifyInstance } from 'fastify'

interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly payload?: string
}

/** @param origin `http://127.0.0.1:8080` */
export function remoteApp(origin: string): FastifyInstance {
  const inject = async ({ method, url, headers, payload }: Asked) => {
    const answer = await fetch(`${origin}${url}`, {
      method,
      headers,
      redirect: 'manual',
      ...(payload !== undefined && { body: payload }),
    })
    const cookies = answer.headers.getSetCookie().map((cookie) => {
      const [name = '', ...value] = cookie.split(';')[0]!.split('=')
      return { name, value: value.join('=') }
    })
    return {
      statusCode: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: await answer.text(),
      cookies,
    }
  }
  return { inject } as never
}
