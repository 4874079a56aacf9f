/**
 * The least that a server can do to the same end: one route that gives the page it was given, as a process.
 */
import fastify from 'fastify'

const app = fastify()
const served = Promise.withResolvers<string>()
app.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(await served.promise))
process.on('message', (page) => served.resolve(String(page)))
process.on('disconnect', () => void app.close())
process.send!(await app.listen({ host: '127.0.0.1', port: 0 }))
