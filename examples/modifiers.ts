// The examples of docs/modifiers.md on modifiers; test/docs runs them.
import {
  contentOf,
  copy,
  createModifierMemory,
  editConfig,
  extendedCopy,
  readAll,
  recordOriginalDigest,
  setAnnotations,
  setCreated,
  stripAttestations,
  toDocker,
  toOci,
  type CopyResult,
  type Destination,
  type Modifier,
  type Source,
} from 'copygraph'

/** Says on the root who answers for it, and takes back what the builder said of itself. */
export function annotate(source: Source, destination: Destination): Promise<CopyResult> {
  const annotations = { 'org.opencontainers.image.vendor': 'Example', 'org.example.builder': null }
  return copy(source, 'v1', destination, { modifiers: [setAnnotations(annotations)] })
}

/** The same on each image in an index. */
export function annotateImages(source: Source, destination: Destination): Promise<CopyResult> {
  const annotations = { 'org.opencontainers.image.vendor': 'Example' }
  return copy(source, 'v1', destination, { modifiers: [setAnnotations(annotations, { on: 'images' })] })
}

/** An image of Docker's, for registries and tools that take OCI's alone. */
export function convertToOci(source: Source, destination: Destination): Promise<CopyResult> {
  return copy(source, 'docker', destination, { modifiers: [toOci()] })
}

/** An image of OCI's, for what takes Docker's alone: it has nothing for attestations, so they go first. */
export function convertToDocker(source: Source, destination: Destination): Promise<CopyResult> {
  return copy(source, 'v1', destination, { modifiers: [stripAttestations(), toDocker()] })
}

/** Runs as another user, with one variable more and another one less. */
export function harden(source: Source, destination: Destination): Promise<CopyResult> {
  const config = editConfig({
    user: '65532:65532',
    env: { LANG: 'C.UTF-8', DEBUG: null },
    labels: { 'org.example.hardened': 'yes' },
    history: 'hardened',
  })
  return copy(source, 'v1', destination, { modifiers: [config] })
}

/** Two builds of the same files get one digest. */
export function reproducible(source: Source, destination: Destination): Promise<CopyResult> {
  return copy(source, 'v1', destination, { modifiers: [setCreated('2024-01-01T00:00:00Z')] })
}

/** An index without BuildKit's attestations, for registries that trip over the platform `unknown/unknown`. */
export function plainIndex(source: Source, destination: Destination): Promise<CopyResult> {
  return copy(source, 'v1', destination, { modifiers: [stripAttestations()] })
}

/** What the image was before stands in an annotation of what it is now: this modifier comes last. */
export function traceable(source: Source, destination: Destination): Promise<CopyResult> {
  return copy(source, 'v1', destination, { modifiers: [stripAttestations(), recordOriginalDigest()] })
}

/** What refers to the image refers to what it has become. A signature is of the old digest, so it is left out. */
export function repointed(source: Source, destination: Destination): Promise<CopyResult> {
  return extendedCopy(source, 'v1', destination, {
    modifiers: [setAnnotations({ 'org.opencontainers.image.vendor': 'Example' })],
    invalidated: ({ artifactType }) => (artifactType === 'application/spdx+json' ? 'repoint' : 'drop'),
  })
}

/** A modifier of one's own: SBOMs without white space. `readAll` refuses more than 4 MiB; larger content is streamed. */
export function minifySboms(): Modifier {
  return {
    id: 'org.example.minify-sboms',
    parameters: null,
    async apply(node) {
      if (node.kind === 'manifest' || node.descriptor.mediaType !== 'application/spdx+json') return 'keep'
      const text = Buffer.from(await readAll(node.content, node.descriptor)).toString()
      const content = contentOf(Buffer.from(JSON.stringify(JSON.parse(text))))
      return { content, mediaType: node.descriptor.mediaType }
    },
  }
}

/** The second copy makes no blob again that is at its destination: it does not even read it. */
export async function remembered(source: Source, destination: Destination): Promise<CopyResult> {
  const options = { modifiers: [minifySboms()], modifierMemory: createModifierMemory() }
  await copy(source, 'sbom', destination, options)
  return copy(source, 'sbom', destination, options)
}
