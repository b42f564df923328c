import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { InvalidLayoutError, LockedError, SizeMismatchError } from '../../src/errors.ts'
import type { RequestFact } from '../../src/server/handler.ts'
import { targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { blob, chunksOf, descriptorOf, json, pushBlob, startRegistry } from './harness.ts'

describe('content that is damaged in the store', () => {
  /** A store whose blob is not what its digest says, and comes in so many chunks. */
  function damaged(chunkCount: number) {
    const { digest } = blob()
    const target = new MemoryTarget()
    const descriptor = { mediaType: 'application/octet-stream', digest, size: 100 * chunkCount }
    const fetch = () => ({
      async *[Symbol.asyncIterator]() {
        for (let at = 1; at < chunkCount; at++) yield Buffer.alloc(100)
        throw new InvalidLayoutError('/secret/path is damaged')
      },
    })
    return {
      digest,
      store: targetStore(new Map([['x', Object.assign(target, { resolve: async () => descriptor, fetch })]])),
    }
  }

  it('is 500 without a word about local paths if nothing was sent', async () => {
    const facts: RequestFact[] = []
    const { digest, store } = damaged(1)
    const { call } = await startRegistry({ onRequest: (fact) => facts.push(fact) }, store)
    const reply = await call('GET', `/v2/x/blobs/${digest}`)
    expect([reply.status, json(reply)]).toEqual([
      500,
      { errors: [{ code: 'UNKNOWN', message: 'the registry failed' }] },
    ])
    expect(facts[0]?.error).toBeInstanceOf(InvalidLayoutError)
  })

  it('cuts off the connection in the middle of a body', async () => {
    const { digest, store } = damaged(3)
    const { call } = await startRegistry({}, store)
    await expect(call('GET', `/v2/x/blobs/${digest}`)).rejects.toThrow()
  })

  it.each([
    ['fewer', 'bytes=0-99', 50],
    ['fewer', 'bytes=0-', 50],
    ['fewer', 'bytes=nonsense', 50],
    ['more', 'bytes=nonsense', 2000],
  ])(
    'with %s bytes (range %j) leaves no connection on which answers are mistaken',
    async (_, range, length) => {
      const { bytes, digest } = blob()
      const target = Object.assign(new MemoryTarget(), {
        resolve: async () => descriptorOf({ bytes, digest }),
        fetch: () => chunksOf(Buffer.alloc(length), 50),
      })
      const facts: RequestFact[] = []
      const options = { onRequest: (fact: RequestFact) => facts.push(fact) }
      const { registry } = await startRegistry(options, targetStore(new Map([['x', target]])))
      const socket = connect(registry.port, registry.host)
      const received = text(socket)
      socket.write(`GET /v2/x/blobs/${digest} HTTP/1.1\r\nHost: x\r\nRange: ${range}\r\n\r\n`)
      socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      expect(await received).not.toContain('{}')
      expect(facts[0]?.error).toBeInstanceOf(SizeMismatchError)
    },
  )

  it.each([
    ['ENOSPC', 507],
    ['EROFS', 405],
    ['EIO', 500],
  ])('a disk that fails with %s is %i', async (code, status) => {
    const target = new MemoryTarget()
    const push = () => Promise.reject(Object.assign(new Error('/secret/path'), { code }))
    const { call } = await startRegistry({}, targetStore(new Map([['x', Object.assign(target, { push })]])))
    const reply = await pushBlob(call, 'x', blob())
    expect(reply.status).toBe(status)
    expect(reply.body.toString()).not.toContain('secret')
  })

  it('a store that is locked is 503 with Retry-After', async () => {
    const target = new MemoryTarget()
    const push = () => Promise.reject(new LockedError('/secret/lock is held'))
    const { call } = await startRegistry({}, targetStore(new Map([['x', Object.assign(target, { push })]])))
    const reply = await pushBlob(call, 'x', blob())
    expect([reply.status, reply.headers['retry-after']]).toEqual([503, '1'])
    expect(reply.body.toString()).not.toContain('secret')
  })
})
