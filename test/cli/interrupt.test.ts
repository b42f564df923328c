import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { graph } from '../support/graph.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry, type Misbehaviour } from '../support/registry.ts'
import { runCommand, startCommand } from './command.ts'
import { fill, repository } from './registry.ts'

const mebibyte = 1024 * 1024

function largeImage(): ReturnType<typeof graph> {
  return graph({
    large: { kind: 'blob', bytes: Buffer.alloc(4 * mebibyte, 'x') },
    image: ['config', 'large', 'small'],
  })
}

/** Misbehaves until it is told to stop; `reached` settles when it did so for the first time. */
function until(misbehave: Misbehaviour): { misbehave: Misbehaviour; reached: Promise<void>; stop(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let isOver = false
  return {
    reached: promise,
    stop: () => (isOver = true),
    misbehave(request, response) {
      const didIt = !isOver && misbehave(request, response)
      if (didIt) resolve()
      return didIt
    },
  }
}

describe('a copy that is interrupted', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'by %s in mid-blob exits with %d, leaves no temporary file and no tag, and goes on when run again',
    async (name, code) => {
      const image = largeImage()
      const { digest } = image.descriptor('large')
      const slow = until((request, response) => {
        if (request.method !== 'GET' || !request.url?.includes(digest)) return false
        response.writeHead(200, { 'content-length': 4 * mebibyte })
        response.write(Buffer.alloc(2 * mebibyte, 'x'))
        return true
      })
      await using registry = await startRegistry({ misbehave: slow.misbehave })
      await using folder = await newFolder()
      await fill(registry, image, 'image')
      const args = ['cp', `${registry.name}/app:v1`, `oci:${folder.path}/out:v1`]

      const { child, ended, line } = startCommand(args)
      await Promise.all([slow.reached, line(/^Copying .* 4\.0 MiB/), line(/^Copied .* 5 B/)])
      child.kill(name)
      const { stderr, stdout, ...result } = await ended
      expect(result).toEqual({ code })
      expect(stdout).toBe('')
      expect(stderr).toMatch(/\nError: interrupted\nHint: .* run the same command again to go on\n$/)
      const layout = new OciLayout(join(folder.path, 'out'))
      const files = await readdir(join(folder.path, 'out'), { recursive: true })
      expect(files.filter((file) => /ingest|tmp|lock/.test(file))).toEqual([])
      expect(await layout.exists(image.descriptor('large'))).toBe(false)

      slow.stop()
      const before = registry.requests.length
      expect(await runCommand(args)).toMatchObject({ code: 0 })
      expect((await layout.resolve('v1')).digest).toBe(image.descriptor('image').digest)
      expect(registry.requests.slice(before)).not.toContainEqual(
        expect.stringContaining(image.descriptor('small').digest),
      )
    },
  )

  it('while it writes to a registry cancels its upload and leaves no tag', async () => {
    const image = largeImage()
    const stuck = until(({ method, url }) => method === 'PUT' && url?.includes('/uploads/') === true)
    await using registry = await startRegistry({ misbehave: stuck.misbehave })
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('image'), 'v1')
    const args = ['cp', `oci:${folder.path}:v1`, `${registry.name}/copy`]

    const { child, ended } = startCommand(args)
    await stuck.reached
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130 })
    expect(registry.requests).toContainEqual(expect.stringMatching(/^DELETE \/v2\/copy\/blobs\/uploads\//))
    expect(await Array.fromAsync(repository(registry, 'copy').tags())).toEqual([])

    stuck.stop()
    expect(await runCommand(args)).toMatchObject({ code: 0 })
    expect(await Array.fromAsync(repository(registry, 'copy').tags())).toEqual(['v1'])
  })

  it('a second time ends at once, whatever it is waiting for', async () => {
    const image = largeImage()
    const cancelled = Promise.withResolvers<void>()
    const stuck = until(({ method, url }) => {
      if (method === 'DELETE') cancelled.resolve()
      return method === 'DELETE' || (method === 'PUT' && url?.includes('/uploads/') === true)
    })
    await using registry = await startRegistry({ misbehave: stuck.misbehave })
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('image'), 'v1')
    const { child, ended } = startCommand(['cp', `oci:${folder.path}:v1`, `${registry.name}/copy`])
    await stuck.reached
    child.kill('SIGINT')
    await cancelled.promise
    child.kill('SIGINT')
    const { code, stderr } = await ended
    expect(code).toBe(130)
    expect(stderr).not.toContain('Error: interrupted')
  })

  it('while it waits for a password exits with 130', async () => {
    const args = ['cp', '--from-username', 'me', '--from-password-stdin', 'localhost:1/app:v1', 'oci:nowhere']
    const { child, ended, line } = startCommand([...args, '--to-username', 'me', '--to-password', 'x'], {
      keepStdinOpen: true,
      nodeArguments: ['--import', 'data:text/javascript,setTimeout(()=>console.error("ready"),0)'],
    })
    await line(/ready/)
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130, stdout: '' })
  })
})
