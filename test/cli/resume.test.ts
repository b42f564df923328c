import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import {
  on,
  startFaultyRegistry,
  times,
  type FaultyAnswer,
  type FaultyRegistry,
  type FaultyRequest,
  type Next,
} from '../../src/testing/testing.ts'
import { newFolder } from '../support/folder.ts'
import { graph } from '../support/graph.ts'
import { runCommand, startCommand } from './command.ts'

const mebibyte = 1024 * 1024
const size = 64 * mebibyte
const heldAfter = 40 * mebibyte
const image = graph({
  large: { kind: 'blob', bytes: randomFillSync(Buffer.alloc(size)) },
  image: ['config', 'large'],
})
const { digest } = image.descriptor('large')
const folder = await newFolder()
afterAll(() => folder.remove())

/** A registry that sends a part of the large blob to the first who asks, and then nothing more. */
async function start(): Promise<FaultyRegistry> {
  const isLarge = {
    method: 'GET',
    endpoint: 'blob',
    when: ({ reference }: FaultyRequest) => reference === digest,
  } as const
  const registry = await startFaultyRegistry({ faults: [on(isLarge, times(1, hold))] })
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/app`)
  await image.pushTo(repository)
  await repository.tag(image.descriptor('image'), 'v1')
  return registry
}

async function hold(request: FaultyRequest, next: Next): Promise<FaultyAnswer> {
  const answer = await next(request)
  return { ...answer, body: heldBody(answer.body, request.signal) }
}

async function* heldBody(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let left = heldAfter
  for await (const chunk of body) {
    yield chunk.subarray(0, left)
    left -= Math.min(left, chunk.length)
    if (left > 0) continue
    if (!signal.aborted) await once(signal, 'abort')
    return
  }
}

/** How many bytes of the large blob each request for it was sent. */
const sent = ({ requests }: FaultyRegistry): readonly number[] =>
  requests.filter(({ url }) => url.endsWith(digest)).map(({ sentBytes }) => sentBytes)

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (status) => status.size,
    () => 0,
  )
}

describe('a copy into a layout that ends in mid-blob', () => {
  it.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
    'by %s moves only the rest when it is run again',
    async (name) => {
      await using registry = await start()
      const directory = join(folder.path, name)
      const partial = join(directory, 'partial', digest.replace(':', '-'))
      const args = ['cp', '--from-plain-http', `${registry.host}/app:v1`, `oci:${directory}:v1`]
      const { child, ended } = startCommand(args)
      await expect.poll(() => sizeOf(partial), { timeout: 10_000 }).toBeGreaterThan(heldAfter - 2 * mebibyte)
      child.kill(name)
      await ended
      const kept = await sizeOf(partial)
      if (name !== 'SIGKILL') expect(await readdir(join(directory, 'partial'))).toHaveLength(1)

      const second = await runCommand([...args, '--format', 'json'])
      expect(second).toMatchObject({ code: 0 })
      const [, rest = 0, ...more] = sent(registry)
      expect(more).toEqual([])
      expect(rest).toBe(size - kept)
      expect(rest).toBeLessThanOrEqual(size - heldAfter + 8 * mebibyte)
      expect(JSON.parse(second.stdout)).toMatchObject({ totals: { nodes: { copy: 2 } } })
      const layout = new OciLayout(directory)
      for await (const chunk of layout.fetch(image.descriptor('large')))
        expect(chunk.length).toBeGreaterThan(0)
      expect((await layout.resolve('v1')).digest).toBe(image.descriptor('image').digest)
      expect((await readdir(directory)).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
    },
    60_000,
  )

  it('and finds its part damaged says so, and fetches the blob from the beginning', async () => {
    await using registry = await start()
    const directory = join(folder.path, 'damaged')
    const partial = join(directory, 'partial', digest.replace(':', '-'))
    const args = ['cp', '--from-plain-http', `${registry.host}/app:v1`, `oci:${directory}:v1`]
    const { child, ended } = startCommand(args)
    await expect.poll(() => sizeOf(partial), { timeout: 10_000 }).toBeGreaterThan(mebibyte)
    child.kill('SIGKILL')
    await ended
    await writeFile(partial, Buffer.alloc(heldAfter))
    const { code, stderr } = await runCommand(args)
    expect(code).toBe(0)
    expect(stderr).toContain(`what was kept of ${digest} is damaged`)
    expect(sent(registry).slice(1)).toEqual([size - heldAfter, size])
  }, 60_000)

  it('while another one copies the same does not keep that one waiting', async () => {
    await using registry = await start()
    const directory = join(folder.path, 'both')
    const args = ['cp', '--from-plain-http', `${registry.host}/app:v1`, `oci:${directory}:v1`]
    const { child, ended } = startCommand(args)
    const partial = join(directory, 'partial', digest.replace(':', '-'))
    await expect.poll(() => sizeOf(partial), { timeout: 10_000 }).toBeGreaterThan(mebibyte)
    expect(await runCommand(args)).toMatchObject({ code: 0 })
    expect(sent(registry).slice(1)).toEqual([size])
    child.kill('SIGINT')
    await ended
    expect((await readdir(directory)).sort()).toEqual(['blobs', 'index.json', 'oci-layout', 'partial'])
  }, 60_000)
})
