import { mediaTypes } from '../../src/content/media-types.ts'
import { graph, type TestGraph } from './graph.ts'

/** A drawing with the node that is copied. */
export interface Shape {
  readonly root: string
  readonly drawing: TestGraph
}

/** Above what goes in the opening request of an upload. */
const large = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 2_654_435_761) >>> 13))

/** Graphs of every kind of manifest, for copies of what is under a node. */
export const shapes: Readonly<Record<string, Shape>> = {
  'an image': {
    root: 'image',
    drawing: graph({
      image: ['config', 'small', 'large'],
      large: { mediaType: mediaTypes.ociLayerGzip, bytes: large },
    }),
  },
  'an index': {
    root: 'index',
    drawing: graph({ index: ['m1', 'm2'], m1: ['c1', 'shared'], m2: ['c2', 'shared'] }),
  },
  'a nested index': {
    root: 'outer',
    drawing: graph({
      outer: ['inner', 'm3'],
      inner: ['m1', 'm2'],
      m1: ['c1', 'l'],
      m2: ['c2', 'l'],
      m3: ['c3', 'l'],
    }),
  },
  'an artifact with a subject': {
    root: 'sbom',
    drawing: graph({
      sbom: { children: ['empty', 'spdx'], subject: 'image', artifactType: 'application/spdx+json' },
      image: ['config', 'layer'],
      empty: { bytes: Buffer.from('{}') },
    }),
  },
  'a Docker list': {
    root: 'list',
    drawing: graph({
      list: { kind: 'list', children: ['m1', 'm2'] },
      m1: { kind: 'docker', children: ['c1', 'shared'] },
      m2: { kind: 'docker', children: ['c2', 'shared'] },
    }),
  },
  'empty layers, and one that may not be distributed': {
    root: 'image',
    drawing: graph({
      image: ['config', 'nothing', 'foreign'],
      nothing: { bytes: Buffer.alloc(0) },
      foreign: {
        mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
        bytes: Buffer.from('not ours'),
      },
    }),
  },
  'one digest under two media types': {
    root: 'image',
    drawing: graph({
      image: ['config', 'tar', 'zip'],
      tar: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('same') },
      zip: { mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.from('same') },
    }),
  },
  'a manifest type of a user’s own': {
    root: 'bundle',
    drawing: graph({ bundle: { kind: 'bundle', children: ['m1', 'blob'] }, m1: ['config', 'layer'] }),
  },
  'twelve small layers': {
    root: 'image',
    drawing: graph({ image: ['config', ...Array.from({ length: 12 }, (_, index) => `layer${index}`)] }),
  },
}

/** Graphs with referrers, for extended copies. */
export const families: Readonly<Record<string, Shape>> = {
  'an image with a signature': {
    root: 'image',
    drawing: graph({
      image: ['config', 'layer'],
      signature: { children: ['empty', 'payload'], subject: 'image' },
      empty: { bytes: Buffer.from('{}') },
    }),
  },
  'an index with referrers on it and on its children': {
    root: 'index',
    drawing: graph({
      index: ['m1', 'm2'],
      m1: ['c1', 'shared'],
      m2: ['c2', 'shared'],
      onIndex: { children: ['empty', 'a'], subject: 'index' },
      onFirst: { children: ['empty', 'b'], subject: 'm1' },
      onSecond: { children: ['empty', 'c'], subject: 'm2' },
      empty: { bytes: Buffer.from('{}') },
    }),
  },
  'referrers of referrers': {
    root: 'image',
    drawing: graph({
      image: ['config', 'layer'],
      sbom: { children: ['empty', 'spdx'], subject: 'image' },
      signature: { children: ['empty', 'payload'], subject: 'sbom' },
    }),
  },
  'forty referrers': {
    root: 'image',
    drawing: graph({
      image: ['config', 'layer'],
      ...Object.fromEntries(
        Array.from({ length: 40 }, (_, index) => [
          `r${index}`,
          { children: ['empty', `blob of ${index}`], subject: 'image' },
        ]),
      ),
    }),
  },
}
