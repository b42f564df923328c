import { describe, expect, it } from 'vitest'
import { targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'
import { blob, errorCodes, json, pushBlob, pushGraph, startRegistry } from './harness.ts'

/** image → config, layer */
const image = graph({ image: ['config', 'layer'] })

describe('DELETE', () => {
  it('of a tag leaves the manifest', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image, 'v1')
    expect((await call('DELETE', '/v2/x/manifests/v1')).status).toBe(202)
    expect((await call('HEAD', '/v2/x/manifests/v1')).status).toBe(404)
    expect((await call('HEAD', `/v2/x/manifests/${image.descriptor('image').digest}`)).status).toBe(200)
  })

  it('of a manifest takes its tags with it, at once', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image, 'v1')
    const path = `/v2/x/manifests/${image.descriptor('image').digest}`
    expect((await call('DELETE', path)).status).toBe(202)
    expect((await call('HEAD', path)).status).toBe(404)
    expect((await call('HEAD', '/v2/x/manifests/v1')).status).toBe(404)
    expect(json(await call('GET', '/v2/x/tags/list'))).toEqual({ name: 'x', tags: [] })
  })

  it('of a blob takes effect at once', async () => {
    const { call } = await startRegistry()
    const pushed = blob()
    await pushBlob(call, 'x', pushed)
    expect((await call('DELETE', `/v2/x/blobs/${pushed.digest}`)).status).toBe(202)
    expect((await call('HEAD', `/v2/x/blobs/${pushed.digest}`)).status).toBe(404)
  })

  it('of a manifest as a blob is refused', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image, 'v1')
    const reply = await call('DELETE', `/v2/x/blobs/${image.descriptor('image').digest}`)
    expect([reply.status, errorCodes(reply)]).toEqual([405, ['UNSUPPORTED']])
    expect((await call('HEAD', '/v2/x/manifests/v1')).status).toBe(200)
  })

  it.each([
    ['x/manifests/v2', 'MANIFEST_UNKNOWN'],
    [`x/manifests/${blob().digest}`, 'MANIFEST_UNKNOWN'],
    [`x/manifests/${image.descriptor('layer').digest}`, 'MANIFEST_UNKNOWN'],
    [`x/blobs/${blob().digest}`, 'BLOB_UNKNOWN'],
    ['y/manifests/v1', 'NAME_UNKNOWN'],
    [`y/blobs/${blob().digest}`, 'NAME_UNKNOWN'],
  ])('of %s, which is not there, is 404', async (path, code) => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image, 'v1')
    const reply = await call('DELETE', `/v2/${path}`)
    expect([reply.status, errorCodes(reply)]).toEqual([404, [code]])
  })

  it('is 405 where the store cannot delete', async () => {
    const target = new MemoryTarget()
    await image.pushTo(target)
    await target.tag(image.descriptor('image'), 'v1')
    const store = targetStore(
      new Map([['x', Object.assign(target, { delete: undefined, untag: undefined })]]),
    )
    const { call } = await startRegistry({}, store)
    const { digest } = image.descriptor('image')
    for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${image.descriptor('layer').digest}`]) {
      expect((await call('DELETE', `/v2/x/${path}`)).status).toBe(405)
    }
  })
})
