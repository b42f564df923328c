import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { blob, read } from '../contract/support.ts'
import { startServer, type Answer, type Handler, type TestServer } from './server.ts'

const bytes = Buffer.from('0123456789')
const descriptor = blob(bytes)

async function start(handler: Handler): Promise<[Repository, TestServer]> {
  const server = await startServer(handler)
  const repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 } })
  onTestFinished(() => repository.close())
  return [repository, server]
}

describe('a blob that is read', () => {
  it('is asked for when it is iterated, each time anew', async () => {
    const [repository, server] = await start(() => ({ status: 200, body: bytes }))
    const content = repository.fetch(descriptor)
    expect(server.requests).toEqual([])
    expect(await read(content)).toEqual(bytes)
    expect(await read(content)).toEqual(bytes)
    expect(server.lines).toEqual(Array(2).fill(`GET /v2/a/blobs/${descriptor.digest}`))
  })

  it.each<[string, Answer, string]>([
    ['other bytes', { status: 200, body: '9876543210' }, 'DIGEST_MISMATCH'],
    ['too few bytes', { status: 200, body: '012345678' }, 'SIZE_MISMATCH'],
    ['too many bytes', { status: 200, body: '0123456789+' }, 'SIZE_MISMATCH'],
    [
      'an HTML page',
      { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
      'SIZE_MISMATCH',
    ],
    ['a part that nobody asked for', { status: 206, body: bytes }, 'RESPONSE'],
    ['nothing', { status: 204 }, 'RESPONSE'],
    ['404', { status: 404 }, 'NOT_FOUND'],
  ])('is refused with %s', async (_what, answer, code) => {
    const [repository] = await start(() => answer)
    await expect(read(repository.fetch(descriptor))).rejects.toMatchObject({ code })
  })

  it.each([
    ['too few bytes', '012345678'],
    ['endless bytes', '0123456789'.repeat(100_000)],
  ])('is refused with %s of no said length', async (_what, body) => {
    const [repository] = await start((_request, response) => {
      response.writeHead(200, { connection: 'close' })
      response.useChunkedEncodingByDefault = false
      response.end(body)
      return undefined
    })
    await expect(read(repository.fetch(descriptor))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
  })

  it('of the wrong length is refused before its first byte', async () => {
    const [repository] = await start((_request, response) => {
      response.writeHead(200, { 'content-length': 11 }).flushHeaders()
      return undefined
    })
    await expect(read(repository.fetch(descriptor))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
  })
})

describe('a blob that is read from an offset on', () => {
  const part = (range: string, body: string): Answer => ({
    status: 206,
    headers: { 'content-range': range },
    body,
  })

  async function suffix(answer: Answer, offset = 4): Promise<string> {
    const [repository] = await start(() => answer)
    return (await read(repository.fetch(descriptor).from?.(offset) ?? [])).toString()
  }

  it('is asked for with a range', async () => {
    const [repository, server] = await start(() => part('bytes 4-9/10', '456789'))
    expect((await read(repository.fetch(descriptor).from?.(4) ?? [])).toString()).toBe('456789')
    expect(server.requests[0]?.headers.range).toBe('bytes=4-9')
  })

  it('is read from the beginning where the registry knows no ranges', async () => {
    expect(await suffix({ status: 200, body: bytes })).toBe('456789')
  })

  it('is nothing at its end, without a request', async () => {
    const [repository, server] = await start(() => ({ status: 416 }))
    expect(await read(repository.fetch(descriptor).from?.(10) ?? [])).toHaveLength(0)
    expect(server.requests).toEqual([])
  })

  it.each<[string, Answer, string]>([
    ['another range', part('bytes 0-9/10', '0123456789'), 'RESPONSE'],
    ['a range of another size', part('bytes 4-9/11', '456789'), 'RESPONSE'],
    ['no range', { status: 206, body: '456789' }, 'RESPONSE'],
    ['a range that is no range', part('456789', '456789'), 'RESPONSE'],
    ['fewer bytes', part('bytes 4-9/10', '45678'), 'SIZE_MISMATCH'],
    ['more bytes', part('bytes 4-9/10', '4567890'), 'SIZE_MISMATCH'],
    ['416', { status: 416 }, 'SIZE_MISMATCH'],
    ['404', { status: 404 }, 'NOT_FOUND'],
  ])('is refused with %s', async (_what, answer, code) => {
    await expect(suffix(answer)).rejects.toMatchObject({ code })
  })

  it('is refused with fewer and more bytes of no said length', async () => {
    for (const body of ['45678', '4567890']) {
      const [repository] = await start((_request, response) => {
        response.writeHead(206, { 'content-range': 'bytes 4-9/10' })
        response.write(body)
        response.end()
        return undefined
      })
      const content = repository.fetch(descriptor).from?.(4) ?? []
      await expect(read(content)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    }
  })
})

describe('a blob', () => {
  it('exists if it has its size', async () => {
    const lengths = ['10', '9']
    const [repository] = await start(() => ({
      status: 200,
      headers: { 'content-length': lengths.shift() ?? '' },
    }))
    expect(await repository.exists(descriptor)).toBe(true)
    expect(await repository.exists(descriptor)).toBe(false)
  })

  it('is not known to be there by an answer with neither length nor digest', async () => {
    const digests = [undefined, descriptor.digest]
    const [repository] = await start(() => {
      const digest = digests.shift()
      return { status: 200, ...(digest && { headers: { 'docker-content-digest': digest } }) }
    })
    expect(await repository.exists(descriptor)).toBe(false)
    expect(await repository.exists(descriptor)).toBe(true)
  })

  it('is no HTML page, neither when it is looked for, pushed nor resolved', async () => {
    const headers = { 'content-type': 'text/html; charset=utf-8', 'content-length': '10' }
    const [repository] = await start(({ url }) => ({ status: url.includes('/blobs/') ? 200 : 404, headers }))
    for (const act of [
      repository.exists(descriptor),
      repository.push(descriptor, contentOf(bytes)),
      repository.resolve(descriptor.digest),
    ]) {
      await expect(act).rejects.toMatchObject({
        code: 'RESPONSE',
        message: expect.stringContaining('HTML page'),
      })
    }
  })

  it('may be HTML itself, if the registry says so of its digest', async () => {
    const headers = {
      'content-type': 'text/html',
      'content-length': '10',
      'docker-content-digest': descriptor.digest,
    }
    const [repository] = await start(() => ({ status: 200, headers }))
    expect(await repository.exists(descriptor)).toBe(true)
  })

  it('without a length cannot be resolved', async () => {
    const [repository] = await start(({ url }) => ({ status: url.includes('/blobs/') ? 200 : 404 }))
    await expect(repository.resolve(descriptor.digest)).rejects.toMatchObject({
      code: 'RESPONSE',
      message: expect.stringContaining('Content-Length'),
    })
  })
})
