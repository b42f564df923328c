import { expect, it } from 'vitest'

/** What users can import, apart from types: a change here is a change of the public surface. */
const names = {
  '../src/index.ts': [
    ...['copy', 'copyGraph', 'selectPlatform'],
    ...['buildGraph', 'renderTree', 'walk', 'walkPredecessors'],
    'MemoryTarget',
    ...[
      'contentOf',
      'defaultMaxMetadataBytes',
      'digestOf',
      'isDigest',
      'isForeignLayer',
      'mediaTypes',
      'parseDigest',
    ],
    ...[
      'declareManifestTypes',
      'parseDescriptor',
      'parseStrictJson',
      'standardManifestTypes',
      'successorsOf',
    ],
    ...['plainDescriptor', 'readAll', 'refNameAnnotation', 'sameNode', 'verify', 'verifyBytes'],
    ...['formatPlatform', 'localPlatform', 'matchesPlatform', 'parsePlatform'],
    ...['formatReference', 'isRegistry', 'isRepository', 'isTag', 'parseReference'],
    ...['AuthError', 'CopyError', 'DigestMismatchError', 'InvalidDigestError', 'InvalidLayoutError'],
    ...['InvalidManifestError', 'InvalidReferenceError', 'LockedError', 'NotFoundError', 'OciError'],
    ...[
      'ResponseError',
      'SizeExceedsLimitError',
      'SizeMismatchError',
      'UnreachableError',
      'UnsupportedError',
    ],
    'errorCode',
  ],
  '../src/targets/oci-layout/oci-layout.ts': ['OciLayout'],
  '../src/targets/remote/remote.ts': ['Registry', 'Repository', 'Transport'],
  '../src/server/server.ts': ['createRegistryHandler', 'layoutStore', 'memoryStore', 'serve', 'targetStore'],
}

it.each(Object.entries(names))('%s exports just these names', async (entry, expected) => {
  const module = (await import(entry)) as object
  expect(Object.keys(module).sort()).toEqual([...expected].sort())
})
