import { chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, it } from 'vitest'
import { layoutStore } from '../../src/server/layout-store.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { startCommand } from '../cli/command.ts'
import { bundleMediaType, graph, ownTypes } from '../support/graph.ts'
import {
  beginUpload,
  blob,
  caller,
  errorCodes,
  everythingIn,
  json,
  pushBlob,
  pushGraph,
  startRegistry,
  temporaryFolder,
} from './harness.ts'

const image = graph({ image: ['config', 'layer'] })

/** Root may read everything; the test must not. */
async function asNobody(act: () => Promise<void>): Promise<void> {
  const { geteuid, seteuid } = process
  const user = geteuid?.()
  if (user === 0) seteuid?.(65534)
  try {
    await act()
  } finally {
    if (user === 0) seteuid?.(user)
  }
}

async function writeLayout(folder: string, tag = 'v1'): Promise<void> {
  const layout = new OciLayout(folder)
  await image.pushTo(layout)
  await layout.tag(image.descriptor('image'), tag)
}

describe('a folder of layouts', () => {
  it('serves each under its relative path, nested ones too', async () => {
    const folder = await temporaryFolder()
    for (const name of ['b', 'a/b', 'a-b', 'a/b/c']) await writeLayout(join(folder, name), 'v1')
    const { call } = await startRegistry({}, layoutStore(folder))
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: ['a-b', 'a/b', 'a/b/c', 'b'] })
    for (const name of ['b', 'a/b', 'a-b', 'a/b/c']) {
      const reply = await call('GET', `/v2/${name}/manifests/v1`)
      expect(reply.body.equals(image.node('image').bytes)).toBe(true)
    }
    expect(errorCodes(await call('GET', '/v2/a/tags/list'))).toEqual(['NAME_UNKNOWN'])
  })

  it('gets new layouts by a push, also if it is not there itself', async () => {
    const folder = join(await temporaryFolder(), 'not', 'there')
    const { call } = await startRegistry({}, layoutStore(folder))
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: [] })
    await pushGraph(call, 'some/image', image, 'v1')
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: ['some/image'] })
    const layout = new OciLayout(join(folder, 'some/image'))
    expect(await layout.resolve('v1')).toMatchObject(image.descriptor('image'))
  })

  it('is not changed by reading, by deleting or by an upload that is not finished', async () => {
    const folder = await temporaryFolder()
    const { registry, call } = await startRegistry({}, layoutStore(folder))
    await call('GET', '/v2/x/tags/list')
    await call('DELETE', '/v2/x/manifests/v1')
    const location = await beginUpload(call, 'x')
    await call('PATCH', location, { body: 'abc' })
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: [] })
    await registry.close()
    expect(await everythingIn(folder)).toEqual([])
  })

  it('takes a blob that came in chunks without copying it, and leaves nothing else', async () => {
    const folder = await temporaryFolder()
    const { call } = await startRegistry({}, layoutStore(folder))
    const pushed = blob(1000)
    const location = await beginUpload(call, 'x')
    await call('PATCH', location, { body: pushed.bytes })
    const [upload = ''] = (await everythingIn(folder)).filter((path) => path.endsWith('/blob'))
    const { ino } = await stat(join(folder, upload))
    expect((await call('PUT', `${location}?digest=${pushed.digest}`)).status).toBe(201)
    const stored = join('x', 'blobs', ...pushed.digest.split(':'))
    expect((await stat(join(folder, stored))).ino).toBe(ino)
    const files = (await everythingIn(folder)).filter(
      (path) => path.includes('upload') || path.includes('ingest'),
    )
    expect(files).toEqual([])
  })

  it.each([
    'a/blobs',
    'a/blobs/sha256',
    'blobs',
    'a/ingest/b',
    'a/partial/b',
    'a/index.json',
    'a/index.json.lock',
    'a/index.json.lock.takeover/b',
    'index.json.lock',
    'a/oci-layout/b',
  ])('cannot have a repository %s', async (name) => {
    const folder = await temporaryFolder()
    await writeLayout(join(folder, 'a'))
    const before = await everythingIn(folder)
    const { call } = await startRegistry({}, layoutStore(folder))
    const push = await pushBlob(call, name, blob())
    expect([push.status, errorCodes(push)]).toEqual([400, ['NAME_INVALID']])
    expect((await call('GET', `/v2/${name}/tags/list`)).status).toBe(400)
    expect((await everythingIn(folder)).sort()).toEqual(before.sort())
  })

  it('shows no layout in a folder with the name of a lock', async () => {
    const folder = await temporaryFolder()
    await writeLayout(join(folder, 'a', 'index.json.lock'))
    const { call } = await startRegistry({}, layoutStore(folder))
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: [] })
  })

  it('passes over folders that it may not read', async () => {
    const folder = await temporaryFolder()
    await writeLayout(join(folder, 'a'))
    await writeLayout(join(folder, 'private', 'b'))
    await chmod(folder, 0o755)
    const before = await stat(join(folder, 'private'))
    await chmod(join(folder, 'private'), 0)
    onTestFinished(() => chmod(join(folder, 'private'), before.mode))
    const { call } = await startRegistry({}, layoutStore(folder))
    await asNobody(async () => {
      expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: ['a'] })
    })
  })

  it('keeps no upload of a server that was killed, and those of one that runs', async () => {
    const folder = await temporaryFolder()
    const unfinished = async () => (await readdir(folder)).filter((name) => name.startsWith('.upload-'))
    const { call } = await startRegistry({}, layoutStore(folder))
    await call('PATCH', await beginUpload(call, 'a'), { body: 'abc' })
    const [own] = await unfinished()
    const command = startCommand(['serve', '--listen', '127.0.0.1:0', folder])
    onTestFinished(() => void command.child.kill('SIGKILL'))
    const other = caller(await command.firstLine())
    await other('PATCH', await beginUpload(other, 'a'), { body: 'abc' })
    expect(await unfinished()).toHaveLength(2)
    command.child.kill('SIGKILL')
    await command.ended
    const next = await startRegistry({}, layoutStore(folder))
    const location = await beginUpload(next.call, 'a')
    await next.call('PATCH', location, { body: 'abc' })
    await next.call('DELETE', location)
    expect(await unfinished()).toEqual([own])
  })

  it('a mount from a name that it cannot have becomes an upload', async () => {
    const { call } = await startRegistry({}, layoutStore(await temporaryFolder()))
    const reply = await call('POST', `/v2/a/blobs/uploads/?mount=${blob().digest}&from=b/blobs`)
    expect(reply.status).toBe(202)
  })

  it('mounts from one layout into another', async () => {
    const folder = await temporaryFolder()
    await writeLayout(join(folder, 'a'))
    const { call } = await startRegistry({}, layoutStore(folder))
    const { digest } = image.descriptor('layer')
    expect((await call('POST', `/v2/b/blobs/uploads/?mount=${digest}`)).status).toBe(201)
    expect(await readFile(join(folder, 'b', 'blobs', ...digest.split(':')), 'utf8')).toBe('layer')
  })

  it.each(['&from=a', ''])('mounts nothing from a layout that is broken (%j)', async (from) => {
    const folder = await temporaryFolder()
    await writeLayout(join(folder, 'a'))
    await writeFile(join(folder, 'a', 'index.json'), '{broken')
    const { digest } = image.descriptor('layer')
    const { call } = await startRegistry({}, layoutStore(folder))
    expect((await call('POST', `/v2/b/blobs/uploads/?mount=${digest}${from}`)).status).toBe(202)
  })

  it('does not follow links, and shows no folder whose name cannot be one of a repository', async () => {
    const folder = await temporaryFolder()
    const outside = await temporaryFolder()
    await writeLayout(join(outside, 'secret'))
    await writeLayout(join(folder, 'Upper'))
    await symlink(outside, join(folder, 'link'))
    await symlink(join(outside, 'secret'), join(folder, 'secret'))
    await mkdir(join(folder, 'fake'))
    await symlink(join(outside, 'secret', 'oci-layout'), join(folder, 'fake', 'oci-layout'))
    const { call } = await startRegistry({}, layoutStore(folder))
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: [] })
    for (const name of ['secret', 'link/secret']) {
      expect((await call('GET', `/v2/${name}/manifests/v1`)).status).toBe(404)
      expect((await pushBlob(call, name, blob())).status).toBe(404)
    }
  })

  it('has no repository where a file is in the way, and says so before an upload begins', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), 'mine')
    const { call } = await startRegistry({}, layoutStore(folder))
    for (const name of ['file', 'file/inner']) {
      const reply = await call('POST', `/v2/${name}/blobs/uploads/`)
      expect([reply.status, errorCodes(reply)]).toEqual([404, ['NAME_UNKNOWN']])
      expect((await call('GET', `/v2/${name}/tags/list`)).status).toBe(404)
    }
    expect(await everythingIn(folder)).toEqual(['file'])
  })

  it('finds no layout in the blobs of another', async () => {
    const folder = await temporaryFolder()
    await writeLayout(join(folder, 'a'))
    await writeLayout(join(folder, 'b'))
    await rename(join(folder, 'b'), join(folder, 'a', 'blobs', 'b'))
    const { call } = await startRegistry({}, layoutStore(folder))
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: ['a'] })
  })

  it('sees a layout that appears, and one that goes, while it is served', async () => {
    const folder = await temporaryFolder()
    const { call } = await startRegistry({}, layoutStore(folder))
    expect((await call('GET', '/v2/a/tags/list')).status).toBe(404)
    await writeLayout(join(folder, 'a'))
    expect(json(await call('GET', '/v2/a/tags/list'))).toEqual({ name: 'a', tags: ['v1'] })
    await rm(join(folder, 'a'), { recursive: true })
    expect((await call('GET', '/v2/a/tags/list')).status).toBe(404)
    await pushGraph(call, 'a', image, 'v2')
    expect(json(await call('GET', '/v2/a/tags/list'))).toEqual({ name: 'a', tags: ['v2'] })
    expect(await new OciLayout(join(folder, 'a')).resolve('v2')).toMatchObject(image.descriptor('image'))
  })

  it('a layout whose index.json is broken is 500, and the others are served', async () => {
    const folder = await temporaryFolder()
    await writeLayout(join(folder, 'a'))
    await writeLayout(join(folder, 'b'))
    await writeFile(join(folder, 'a', 'index.json'), '{')
    const { call } = await startRegistry({}, layoutStore(folder))
    const reply = await call('GET', '/v2/a/manifests/v1')
    expect([reply.status, errorCodes(reply)]).toEqual([500, ['UNKNOWN']])
    expect(reply.body.toString()).not.toContain(folder)
    expect((await call('GET', '/v2/b/manifests/v1')).status).toBe(200)
  })

  it('knows manifest types of its own', async () => {
    const bundle = graph({ bundle: { kind: 'bundle', children: ['part'] } })
    const { call } = await startRegistry(
      {},
      layoutStore(await temporaryFolder(), { manifestTypes: ownTypes }),
    )
    await pushGraph(call, 'x', bundle, 'v1')
    expect((await call('GET', '/v2/x/manifests/v1')).headers['content-type']).toBe(bundleMediaType)
  })

  it('lists referrers, deletes and untags at once', async () => {
    const { call } = await startRegistry({}, layoutStore(await temporaryFolder()))
    const signed = graph({
      index: ['image'],
      image: ['config', 'layer'],
      signature: { children: ['config', 'payload'], subject: 'image', artifactType: 'application/example' },
    })
    await pushGraph(call, 'x', signed, 'signed')
    const child = `/v2/x/manifests/${signed.descriptor('image').digest}`
    expect((await call('GET', child)).headers['content-type']).toBe(signed.descriptor('image').mediaType)
    const referrers = `/v2/x/referrers/${signed.descriptor('image').digest}`
    expect(json(await call('GET', referrers))).toMatchObject({
      manifests: [{ ...signed.descriptor('signature'), artifactType: 'application/example' }],
    })
    expect((await call('DELETE', '/v2/x/manifests/signed')).status).toBe(202)
    expect((await call('HEAD', '/v2/x/manifests/signed')).status).toBe(404)
    const signature = `/v2/x/manifests/${signed.descriptor('signature').digest}`
    expect((await call('DELETE', signature)).status).toBe(202)
    expect((await call('HEAD', signature)).status).toBe(404)
    expect(json(await call('GET', referrers))).toMatchObject({ manifests: [] })
    const layer = `/v2/x/blobs/${signed.descriptor('layer').digest}`
    expect((await call('DELETE', layer)).status).toBe(202)
    expect((await call('HEAD', layer)).status).toBe(404)
  })
})

describe('a folder that is a layout', () => {
  it.each([
    ['app', 'app'],
    ['my_app.v1', 'my_app.v1'],
    ['My App (2)', 'my-app-2'],
    ['---', 'layout'],
  ])('named %j is the one repository %s', async (folderName, name) => {
    const folder = join(await temporaryFolder(), folderName)
    await writeLayout(folder)
    const { call } = await startRegistry({}, layoutStore(folder))
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: [name] })
    expect((await call('GET', `/v2/${name}/manifests/v1`)).status).toBe(200)
    await pushGraph(call, name, image, 'v2')
    expect(await new OciLayout(folder).resolve('v2')).toMatchObject(image.descriptor('image'))
    const refused = await pushBlob(call, 'other', blob())
    expect([refused.status, errorCodes(refused)]).toEqual([404, ['NAME_UNKNOWN']])
  })
})
