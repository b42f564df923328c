import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { CopyEvent } from '../../../src/events.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { graph } from '../../support/graph.ts'
import { rejection } from '../contract/support.ts'
import { startServer, type Answer, type TestServer } from './server.ts'

const { descriptor, bytes } = graph({ m1: ['config'] }).node('m1')
const retry = { baseMilliseconds: 1, attempts: 4 }
const shown: Answer = {
  status: 200,
  headers: {
    'content-type': descriptor.mediaType,
    'content-length': `${bytes.length}`,
    'docker-content-digest': descriptor.digest,
  },
}

/** Answers in this order, and with the last one ever after. */
async function start(...answers: readonly Answer[]): Promise<[Repository, TestServer]> {
  const left = [...answers]
  const server = await startServer(() => (left.length > 1 ? left.shift() : left[0]))
  const repository = new Repository(`${server.host}/a`, { retry, referrers: 'api' })
  onTestFinished(() => repository.close())
  return [repository, server]
}

describe('resolving by digest', () => {
  it.each([429, 502, 503])('survives %i, and takes nothing for a blob meanwhile', async (status) => {
    const [repository, server] = await start({ status }, { status }, shown)
    expect(await repository.resolve(descriptor.digest)).toEqual(descriptor)
    expect(server.lines).toEqual(Array.from({ length: 3 }, () => `HEAD /v2/a/manifests/${descriptor.digest}`))
  })

  it.each([429, 502, 503])('fails with %i where that does not pass, and asks for no blob', async (status) => {
    const [repository, server] = await start({ status })
    expect(await rejection(repository.resolve(descriptor.digest))).toMatchObject({ code: 'RESPONSE', status })
    expect(server.lines.filter((line) => line.includes('/blobs/'))).toEqual([])
  })
})

describe('something that was deleted', () => {
  it.each<[string, Answer]>([
    ['502', { status: 502 }],
    ['503', { status: 503 }],
    ['503 with Retry-After', { status: 503, headers: { 'retry-after': '0' } }],
    ['504', { status: 504 }],
  ])('is gone where a %s is followed by 404: the first attempt may have done it', async (_what, first) => {
    const [repository, server] = await start(first, { status: 404 })
    await repository.delete(descriptor)
    expect(server.lines).toEqual(
      Array.from({ length: 2 }, () => `DELETE /v2/a/manifests/${descriptor.digest}`),
    )
  })

  it.each([429, 425])('was not there where a %i is followed by 404: nothing was done', async (status) => {
    const [repository] = await start({ status }, { status: 404 })
    expect(await rejection(repository.delete(descriptor))).toMatchObject({ code: 'NOT_FOUND' })
  })

  it('was not there where a refused connection is followed by 404: nothing was sent', async () => {
    const server = createServer((_request, response) => void response.writeHead(404).end())
    const port = await listen(server, 0)
    await close(server)
    const repository = new Repository(`127.0.0.1:${port}/a`, {
      retry: { baseMilliseconds: 20, attempts: 30 },
      referrers: 'api',
    })
    onTestFinished(async () => {
      await repository.close()
      await close(server)
    })
    const events: CopyEvent[] = []
    const listening = Promise.withResolvers<number>()
    const onEvent = (event: CopyEvent): void => {
      if (event.type === 'retry' && events.length === 0) listening.resolve(listen(server, port))
      events.push(event)
    }
    expect(await rejection(repository.delete(descriptor, { onEvent }))).toMatchObject({ code: 'NOT_FOUND' })
    expect(await listening.promise).toBe(port)
    expect(events[0]).toMatchObject({ type: 'retry', reason: 'ECONNREFUSED' })
  })
})

async function listen(server: Server, port: number): Promise<number> {
  await once(server.listen(port, '127.0.0.1'), 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
