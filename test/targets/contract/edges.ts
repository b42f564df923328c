import { expect, it } from 'vitest'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { graph } from '../../support/graph.ts'
import { edgesOf, expectRefusal, referrersOf, unknown, type Suite } from './support.ts'

/** Manifests are found from what they refer to. */
export function edgeSuite({ target, lacks }: Suite): void {
  const sbom = 'application/vnd.test.sbom'
  const signature = 'application/vnd.test.signature'
  // index -> m1 -> config; sbom and signature refer to m1, and the signature of the sbom to the sbom
  const nodes = graph({
    index: ['m1'],
    m1: ['config'],
    sbom: { children: ['config'], subject: 'm1', artifactType: sbom, annotations: { made: 'today' } },
    signature: { children: ['config'], subject: 'm1', artifactType: signature },
    above: { kind: 'index', subject: 'sbom', artifactType: signature, annotations: { of: 'sbom' } },
  })

  it('lists referrers with artifact type and annotations, and filters them', async () => {
    await nodes.pushTo(target())
    const all = await referrersOf(target(), nodes.descriptor('m1'))
    expect(all.map(({ digest }) => digest).sort()).toEqual(
      [nodes.descriptor('sbom').digest, nodes.descriptor('signature').digest].sort(),
    )
    if (lacks('artifact-types')) {
      const types = all.map(({ artifactType }) => artifactType)
      return expect(types).toEqual([mediaTypes.ociConfig, mediaTypes.ociConfig])
    }
    expect(await referrersOf(target(), nodes.descriptor('m1'), sbom)).toEqual([
      { ...nodes.descriptor('sbom'), artifactType: sbom, annotations: { made: 'today' } },
    ])
    expect(await referrersOf(target(), nodes.descriptor('sbom'))).toEqual([
      { ...nodes.descriptor('above'), artifactType: signature, annotations: { of: 'sbom' } },
    ])
    expect(await referrersOf(target(), nodes.descriptor('m1'), 'application/vnd.test.none')).toEqual([])
    expect(await referrersOf(target(), nodes.descriptor('above'))).toEqual([])
  })

  it('lists predecessors with their edges', async () => {
    await nodes.pushTo(target())
    const expected = [
      ...(lacks('containers') ? [] : [`contains ${nodes.descriptor('index').digest}`]),
      `subject ${nodes.descriptor('sbom').digest}`,
      `subject ${nodes.descriptor('signature').digest}`,
    ]
    expect(await edgesOf(target(), nodes.descriptor('m1'))).toEqual(expected.sort())
    expect(await edgesOf(target(), unknown)).toEqual([])
  })

  it('knows the referrers of a subject that comes later, or never', async () => {
    await nodes.pushTo(target(), ['config', 'sbom'])
    expect(await referrersOf(target(), nodes.descriptor('m1'))).toHaveLength(1)
    await nodes.pushTo(target(), ['m1'])
    expect(await referrersOf(target(), nodes.descriptor('m1'))).toHaveLength(1)
  })

  it('forgets the edges of a manifest that is deleted', async () => {
    if (lacks('delete-manifests')) return expectRefusal(target().delete?.(nodes.descriptor('m1')))
    await nodes.pushTo(target(), ['config', 'm1', 'sbom', 'signature'])
    await target().delete?.(nodes.descriptor('sbom'))
    const left = await referrersOf(target(), nodes.descriptor('m1'))
    expect(left.map(({ digest }) => digest)).toEqual([nodes.descriptor('signature').digest])
  })
}
