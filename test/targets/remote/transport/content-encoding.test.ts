import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { blob, read } from '../../contract/support.ts'
import { descriptor, startTokenRegistry } from '../auth/token-registry.ts'
import { startServer, type TestServer } from '../server.ts'

const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))

function startEncoded(encoding: string): Promise<TestServer> {
  return startServer(() => ({
    status: 200,
    headers: { 'content-encoding': encoding, 'content-type': descriptor.mediaType },
    body: bomb,
  }))
}

const encodings = ['gzip', 'deflate', 'br', 'zstd', Array.from({ length: 1000 }, () => 'gzip').join(', ')]

describe('an answer that says it is encoded', () => {
  it.each(encodings)('as %.10s has the bytes that came, as a blob', async (encoding) => {
    const server = await startEncoded(encoding)
    await using repository = new Repository(`${server.host}/a`)
    expect((await read(repository.fetch(blob(bomb)))).equals(bomb)).toBe(true)
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity')
  })

  it.each(encodings)('as %.10s is never decoded, as a manifest or a list', async (encoding) => {
    const server = await startEncoded(encoding)
    await using repository = new Repository(`${server.host}/a`, { maxMetadataBytes: bomb.length })
    const { bytes } = await repository.fetchReference('v1')
    expect(bytes.length).toBe(bomb.length)
    await expect(Array.fromAsync(repository.tags())).rejects.toMatchObject({ code: 'INVALID_MANIFEST' })
  })

  it('is never decoded as a token', async () => {
    const body = gzipSync(Buffer.from('{"token":"t1"}'))
    const token = { status: 200, headers: { 'content-encoding': 'gzip' }, body }
    const { server } = await startTokenRegistry({ token: () => token })
    await using repository = new Repository(`${server.host}/a`)
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining('without a usable token'),
    })
  })
})
