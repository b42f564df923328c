import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { recompressLayers } from '../../src/copy/modifiers/layers/recompress-layers.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import type { Source } from '../../src/targets/target.ts'
import { pushImage, readImage, someTar } from '../copy/modifiers/layers/image.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { runCommand, startCommand } from './command.ts'
import { fill, repository, sampleImage, signedImage } from './registry.ts'

const {
  if: _if,
  then: _then,
  else: _else,
  ...plainSchema
} = JSON.parse(await readFile(new URL('../../docs/audit-log.schema.json', import.meta.url), 'utf8'))
/** The published schema, but for its last three members, which zod does not know. */
const recordSchema = z.fromJSONSchema(plainSchema)

interface AuditRecord {
  readonly run: string
  readonly operation: string
  readonly target: string
  readonly source?: string
  readonly reference?: string
  readonly descriptor?: { readonly digest: string; readonly size: number }
  readonly bytes?: number
  readonly outcome: string
  readonly error?: string
}

/** The records of a file, each checked by the published schema. */
async function recordsIn(file: string): Promise<readonly AuditRecord[]> {
  const text = await readFile(file, 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line): AuditRecord => {
      const record = JSON.parse(line)
      expect(recordSchema.parse(record)).toEqual(record)
      expect('error' in record).toBe(record.outcome === 'failed')
      return record
    })
}

/** `operation name` of the records at a target; the name is that of a node of the graph. */
function doneAt(records: readonly AuditRecord[], target: string, image: TestGraph): readonly string[] {
  const names = new Map<string, string>(image.names.map((name) => [image.descriptor(name).digest, name]))
  return records
    .filter((record) => record.target === target && record.operation !== 'copy')
    .map((record) => {
      const failure = record.error === undefined ? '' : ` ${record.error}`
      const reference = record.reference === undefined ? '' : ` ${record.reference}`
      return `${record.operation} ${names.get(record.descriptor?.digest ?? '') ?? '-'}${reference}${failure}`
    })
    .toSorted()
}

async function startFilled(
  image: TestGraph,
  root: string,
  options?: Parameters<typeof startRegistry>[0],
): Promise<TestRegistry> {
  const registry = await startRegistry(options)
  await fill(registry, image, root)
  return registry
}

/** Of the config, the layers and the image itself. */
async function digestsIn(target: Source, image: Descriptor): Promise<readonly string[]> {
  const { config, layers } = (await readImage(target, image)).manifest
  return [config, ...layers, image].map(({ digest }) => digest)
}

describe('the audit log of a copy', () => {
  it('says which content left the source, and what was written where under which tag', async () => {
    const image = sampleImage()
    await using registry = await startFilled(image, 'index')
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    const from = `${registry.name}/app`
    const to = `oci:${folder.path}/out`
    const args = ['cp', `${from}:v1`, `${to}:a,b`, '--audit-log', log]
    expect(await runCommand(args)).toMatchObject({ code: 0 })
    const records = await recordsIn(log)
    expect(doneAt(records, from, image)).toEqual(
      [...image.names.map((name) => `read ${name}`), 'resolve index v1'].toSorted(),
    )
    expect(doneAt(records, to, image)).toEqual(
      [...image.names.map((name) => `push ${name}`), 'tag index a', 'tag index b'].toSorted(),
    )
    const bytes = image.names.reduce((sum, name) => sum + image.descriptor(name).size, 0)
    expect(records.at(-1)).toMatchObject({
      operation: 'copy',
      source: from,
      target: to,
      reference: 'v1',
      descriptor: image.descriptor('index'),
      bytes,
      outcome: 'ok',
    })
    const sums = ['read', 'push'].map((operation) =>
      records
        .filter((record) => record.operation === operation)
        .reduce((sum, at) => sum + (at.bytes ?? 0), 0),
    )
    expect(sums).toEqual([bytes, bytes])
    expect(new Set(records.map(({ run }) => run)).size).toBe(1)
    expect((await stat(log)).mode & 0o777).toBe(0o600)

    expect(await runCommand(args)).toMatchObject({ code: 0 })
    const both = await recordsIn(log)
    expect(both.slice(0, records.length)).toEqual(records)
    expect(doneAt(both.slice(records.length), to, image)).toEqual(['exists index'])
    expect(new Set(both.map(({ run }) => run)).size).toBe(2)
  })

  it('names what was read as it is in the source, and what was written as it is at the destination', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [{ tar: someTar(1) }])
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const app = repository(registry, 'app')
    await pushImage(app, [{ tar: someTar(1) }])
    await app.tag(image, 'v1')
    const modifiers = [recompressLayers({ to: 'zstd' })]
    const { root } = await copyGraph(source, image, destination, { modifiers })
    const [before, after] = [await digestsIn(source, image), await digestsIn(destination, root)]
    const log = join(folder.path, 'audit.log')
    const flags = ['--compress', 'zstd', '--audit-log', log]
    await runCommand(['cp', ...flags, `${registry.name}/app:v1`, `oci:${folder.path}/out:v1`])
    const records = await recordsIn(log)
    const digestsOf = (operation: string): readonly string[] =>
      records
        .filter((record) => record.operation === operation && record.outcome === 'ok')
        .flatMap(({ descriptor }) => descriptor?.digest ?? [])
    expect(digestsOf('resolve')).toEqual([image.digest])
    expect(digestsOf('read').toSorted()).toEqual(before.toSorted())
    expect(digestsOf('push').toSorted()).toEqual(after.toSorted())
    expect(digestsOf('tag')).toEqual([root.digest])
    expect(digestsOf('copy')).toEqual([root.digest])
    for (const { operation, bytes, descriptor } of records) {
      if (operation === 'read' || operation === 'push') expect(bytes).toBe(descriptor?.size)
    }
  })

  it('says of an extended copy what the reference names, not what refers to that', async () => {
    const image = signedImage()
    await using registry = await startFilled(image, 'index')
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    const to = `oci:${folder.path}/out`
    await runCommand(['cp', '-r', `${registry.name}/app:v1`, `${to}:v1`, '--audit-log', log])
    const records = await recordsIn(log)
    const from = doneAt(records, `${registry.name}/app`, image)
    expect(from).toEqual([...image.names.map((name) => `read ${name}`), 'resolve index v1'].toSorted())
    const pushes = image.names.map((name) => `push ${name}`)
    expect(doneAt(records, to, image)).toEqual([...pushes, 'tag index v1'].toSorted())
    expect(records.at(-1)).toMatchObject({ operation: 'copy', descriptor: image.descriptor('index') })
  })

  it('tells a mount from a push', async () => {
    const image = graph({ image: ['config', 'layer'] })
    await using registry = await startFilled(image, 'image')
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    const args = ['cp', `${registry.name}/app:v1`, `${registry.name}/copy`, '--audit-log', log]
    expect(await runCommand(args)).toMatchObject({ code: 0 })
    const records = await recordsIn(log)
    expect(doneAt(records, `${registry.name}/copy`, image)).toEqual(
      ['mount config', 'mount layer', 'push image', 'tag image v1'].toSorted(),
    )
    expect(doneAt(records, `${registry.name}/app`, image)).toEqual(['read image', 'resolve image v1'])
  })

  it('says which tag could not be written', async () => {
    const image = graph({ image: ['config', 'layer'] })
    await using registry = await startFilled(image, 'image', {
      misbehave(request, response) {
        if (request.method !== 'PUT' || request.url?.endsWith('/manifests/b') !== true) return false
        response.writeHead(403).end()
        return true
      },
    })
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    const args = ['cp', `${registry.name}/app:v1`, `${registry.name}/copy:a,b`, '--audit-log', log]
    expect(await runCommand(args)).toMatchObject({ code: 4 })
    const done = doneAt(await recordsIn(log), `${registry.name}/copy`, image)
    expect(done).toEqual(expect.arrayContaining(['tag image a', 'tag image b AUTH']))
  })

  it('says what failed, with a code and no message, and what was written before', async () => {
    const image = graph({ image: ['config', 'layer'] })
    await using registry = await startFilled(image, 'image')
    await using folder = await newFolder()
    await repository(registry, 'app').delete(image.descriptor('layer'))
    await image.pushTo(repository(registry, 'copy'), ['config'])
    const log = join(folder.path, 'audit.log')
    const to = `oci:${folder.path}/out`
    const args = ['cp', `${registry.name}/app:v1`, to, '--audit-log', log, '-j', '1']
    expect(await runCommand(args)).toMatchObject({ code: 3 })
    const records = await recordsIn(log)
    expect(doneAt(records, to, image)).toContain('push layer NOT_FOUND')
    expect(doneAt(records, `${registry.name}/app`, image)).toContain('read layer NOT_FOUND')
    expect(records.at(-1)).toMatchObject({ operation: 'copy', outcome: 'failed', error: 'NOT_FOUND' })
    expect(records.filter(({ operation }) => operation === 'tag')).toEqual([])
  })

  it('names the tag that is not there', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    const from = `${registry.name}/app`
    const args = ['cp', `${from}:v9`, `oci:${folder.path}/out`, '--audit-log', log]
    expect(await runCommand(args)).toMatchObject({ code: 3 })
    expect(await recordsIn(log)).toEqual([
      expect.objectContaining({ operation: 'resolve', target: from, reference: 'v9', error: 'NOT_FOUND' }),
      expect.objectContaining({ operation: 'copy', source: from, error: 'NOT_FOUND' }),
    ])
  })

  it('has what was under way when the copy was interrupted', async () => {
    const image = graph({
      large: { kind: 'blob', bytes: Buffer.alloc(4 * 1024 * 1024, 'x') },
      image: ['config', 'large'],
    })
    const { digest } = image.descriptor('large')
    const reached = Promise.withResolvers<void>()
    await using registry = await startFilled(image, 'image', {
      misbehave(request, response) {
        if (request.method !== 'GET' || !request.url?.includes(digest)) return false
        response.writeHead(200, { 'content-length': 4 * 1024 * 1024 })
        response.write(Buffer.alloc(2 * 1024 * 1024, 'x'))
        reached.resolve()
        return true
      },
    })
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    const to = `oci:${folder.path}/out`
    const { child, ended, line } = startCommand(['cp', `${registry.name}/app:v1`, to, '--audit-log', log])
    await Promise.all([reached.promise, line(/^Copied .* 6 B/)])
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 143 })
    const records = await recordsIn(log)
    expect(doneAt(records, to, image)).toEqual(['push config', 'push large INTERRUPTED'])
    expect(doneAt(records, `${registry.name}/app`, image)).toEqual(
      ['read config', 'read image', 'read large INTERRUPTED', 'resolve image v1'].toSorted(),
    )
    expect(records.at(-1)).toMatchObject({ operation: 'copy', error: 'INTERRUPTED' })
  })
})

describe('the audit log of other commands', () => {
  it('has one record of each, and no secret', async () => {
    const image = sampleImage()
    await using registry = await startFilled(image, 'index', { htpasswd: `me:${hashSync('canary', 4)}` })
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    const env = { DOCKER_CONFIG: folder.path }
    const app = `${registry.name}/app`
    const commands: readonly (readonly [args: readonly string[], code: number])[] = [
      [['login', registry.name, '-u', 'me', '-p', 'wrong-canary'], 4],
      [['login', registry.name, '-u', 'me', '-p', 'canary'], 0],
      [['resolve', `${app}:v1`], 0],
      [['resolve', `${app}:v9`], 3],
      [['repo', 'tags', app], 0],
      [['repo', 'ls', registry.name], 0],
      [['logout', registry.name], 0],
      [['repo', 'tags', app], 4],
    ]
    for (const [args, code] of commands) {
      expect(await runCommand([...args, '--audit-log', log], { env })).toMatchObject({ code })
    }
    const records = await recordsIn(log)
    const seen = records.map(({ operation, target, error }) => [operation, target, error])
    expect(seen).toEqual([
      ['login', registry.name, 'AUTH'],
      ['login', registry.name, undefined],
      ['resolve', app, undefined],
      ['resolve', app, 'NOT_FOUND'],
      ['list', app, undefined],
      ['list', registry.name, undefined],
      ['logout', registry.name, undefined],
      ['list', app, 'AUTH'],
    ])
    expect(records[2]).toMatchObject({ reference: 'v1', descriptor: image.descriptor('index') })
    expect(await readFile(log, 'utf8')).not.toMatch(/canary|bWU6/)
  })
})

function blobOf(text: string): { readonly digest: string } {
  return { digest: digestOf(Buffer.from(text)) }
}

async function pushTo(url: string, body: string, status: number): Promise<void> {
  expect((await fetch(url, { method: 'POST', body })).status).toBe(status)
}

describe('the audit log of a server', () => {
  it('has what clients read and wrote, what was refused, and nothing that is no name', async () => {
    const image = graph({ image: ['config', 'layer'] })
    await using folder = await newFolder()
    const layout = new OciLayout(join(folder.path, 'in'))
    await image.pushTo(layout)
    await layout.tag(image.descriptor('image'), 'v1')
    const log = join(folder.path, 'audit.log')
    const served = startCommand(['serve', '--listen', '127.0.0.1:0', '--audit-log', log, '--quiet'])
    const url = await served.firstLine()
    const host = url.replace('http://', '')
    const copied = await runCommand(['cp', `oci:${folder.path}/in:v1`, `${host}/app:v1`])
    expect(copied).toMatchObject({ code: 0 })
    expect((await runCommand(['repo', 'tags', `${host}/app`])).code).toBe(0)
    expect((await runCommand(['resolve', `${host}/app:v9`])).code).toBe(3)
    expect((await fetch(`${url}/v2/app/manifests/canary:canary@x`)).ok).toBe(false)
    const { digest } = blobOf('hidden')
    await pushTo(`${url}/v2/app/blobs/uploads/?a=b?c&digest=${digest}`, 'hidden', 201)
    const [absent, other] = ['absent', 'other'].map((text) => blobOf(text).digest)
    await pushTo(`${url}/v2/app/blobs/uploads/?mount=${absent}&digest=${other}`, 'other', 202)
    served.child.kill('SIGTERM')
    expect(await served.ended).toMatchObject({ code: 0 })
    const records = await recordsIn(log)
    expect(records.map(({ reference }) => reference)).not.toContain(absent)
    const seen = records.map(
      ({ operation, reference = '', error = '' }) => `${operation} ${reference} ${error}`,
    )
    const digests = ['config', 'layer'].map((name) => image.descriptor(name).digest)
    expect(seen).toEqual(
      expect.arrayContaining([
        ...digests.map((pushed) => `push ${pushed} `),
        'push v1 ',
        `push ${digest} `,
        'list  ',
        'resolve v9 HTTP_404',
      ]),
    )
    expect(new Set(records.map(({ target }) => target))).toEqual(new Set([`${host}/app`]))
    expect(await readFile(log, 'utf8')).not.toContain('canary')
  })

  it('tells a blob that a client left in its middle from one that was read', async () => {
    const image = graph({
      large: { kind: 'blob', bytes: Buffer.alloc(32 * 1024 * 1024, 'x') },
      image: ['large'],
    })
    await using folder = await newFolder()
    const layout = new OciLayout(join(folder.path, 'in'))
    await image.pushTo(layout)
    const log = join(folder.path, 'audit.log')
    const flags = ['--listen', '127.0.0.1:0', '--audit-log', log]
    const served = startCommand(['serve', join(folder.path, 'in'), ...flags])
    const url = await served.firstLine()
    const { digest } = image.descriptor('large')
    const leaving = new AbortController()
    const catalog = z.object({ repositories: z.tuple([z.string()]) })
    const [name] = catalog.parse(await (await fetch(`${url}/v2/_catalog`)).json()).repositories
    const ended = served.line(/GET .*blobs/)
    expect((await fetch(`${url}/v2/${name}/blobs/${digest}`, leaving)).status).toBe(200)
    leaving.abort()
    await ended
    served.child.kill('SIGTERM')
    await served.ended
    expect((await recordsIn(log)).at(-1)).toMatchObject({
      operation: 'read',
      reference: digest,
      error: 'CUT_OFF',
    })
  })
})

describe('the file of an audit log', () => {
  it('that cannot be opened ends the command before anything is asked or moved', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const log = join(folder.path, 'nowhere', 'audit.log')
    const args = ['cp', `${registry.name}/app:v1`, `oci:${folder.path}/out`, '--audit-log', log]
    const { code, stderr } = await runCommand(args)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^Error: --audit-log cannot be opened: ENOENT/)
    expect(registry.requests).toEqual([])
  })

  it.runIf(process.platform === 'linux')(
    'that becomes full fails the command in the end, which has done its work',
    async () => {
      const image = sampleImage()
      await using registry = await startFilled(image, 'index')
      await using folder = await newFolder()
      const args = ['cp', `${registry.name}/app:v1`, `oci:${folder.path}/out:v1`, '--audit-log', '/dev/full']
      const { code, stdout, stderr } = await runCommand(args)
      expect(code).toBe(1)
      expect(stderr).toMatch(/\nError: the audit log \/dev\/full is incomplete: ENOSPC.*\n$/)
      expect(stdout).toContain(image.descriptor('index').digest)
      const { digest } = await new OciLayout(join(folder.path, 'out')).resolve('v1')
      expect(digest).toBe(image.descriptor('index').digest)
    },
  )

  it('keeps whole lines where several commands append at once, and what stood there before', async () => {
    const image = sampleImage()
    await using registry = await startFilled(image, 'index')
    await using folder = await newFolder()
    const log = join(folder.path, 'audit.log')
    expect((await runCommand(['resolve', `${registry.name}/app:v1`, '--audit-log', log])).code).toBe(0)
    const [first] = await recordsIn(log)
    await writeFile(log, `${JSON.stringify(first)}\n`, { mode: 0o644 })
    const copies = ['a', 'b', 'c'].map((name) =>
      runCommand(['cp', `${registry.name}/app:v1`, `oci:${folder.path}/${name}`, '--audit-log', log]),
    )
    expect((await Promise.all(copies)).map(({ code }) => code)).toEqual([0, 0, 0])
    const records = await recordsIn(log)
    expect(records[0]).toEqual(first)
    expect(new Set(records.map(({ run }) => run)).size).toBe(4)
    expect(records.filter(({ operation }) => operation === 'push')).toHaveLength(3 * image.names.length)
  })
})
