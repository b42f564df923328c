// The examples of docs/modifiers.md on filters; test/docs runs them.
import {
  allOf,
  anyOf,
  copy,
  extendedCopy,
  hasAnnotation,
  hasArtifactType,
  hasMediaType,
  hasTag,
  isAtMost,
  isForPlatform,
  isNoneOf,
  manifestsOnly,
  mediaTypes,
  not,
  parsePlatformPattern,
  type CopyResult,
  type Destination,
  type Source,
} from 'copygraph'

/** A valid index of the images for Linux on two architectures, each with its attestations. */
export function somePlatforms(source: Source, destination: Destination): Promise<CopyResult> {
  const keep = isForPlatform({ os: 'linux', architecture: 'amd64' }, { os: 'linux', architecture: 'arm64' })
  return copy(source, 'v1', destination, { filter: { keep, parents: 'rewrite' } })
}

/** Every Linux, written as on a command line. */
export function everyLinux(source: Source, destination: Destination): Promise<CopyResult> {
  const keep = isForPlatform(parsePlatformPattern('linux/*'))
  return copy(source, 'v1', destination, { filter: { keep, parents: 'rewrite' } })
}

/** The image and what refers to it, but for SBOMs. `ascentFilter` is asked about what is found above a node. */
export function withoutSboms(source: Source, destination: Destination): Promise<CopyResult> {
  return extendedCopy(source, 'v1', destination, {
    ascentFilter: not(hasArtifactType('application/spdx+json')),
  })
}

/** The image and what refers to it, if a signature does; else NOT_FOUND, before anything is written. */
export function onlyIfSigned(source: Source, destination: Destination): Promise<CopyResult> {
  return extendedCopy(source, 'v1', destination, { requiredReferrers: ['application/sig'] })
}

/** Of an index, the artifacts of one type. Their blobs have none, so only manifests are asked about it. */
export function onlyWasm(source: Source, destination: Destination): Promise<CopyResult> {
  const keep = manifestsOnly(hasArtifactType('application/wasm'))
  return copy(source, 'v1', destination, { filter: { keep, parents: 'rewrite' } })
}

/** Of an index, the entries that are not marked as internal. */
export function withoutInternal(source: Source, destination: Destination): Promise<CopyResult> {
  const keep = not(hasAnnotation('org.example.visibility', 'internal', { of: 'entry' }))
  return copy(source, 'v1', destination, { filter: { keep, parents: 'rewrite' } })
}

/** Of an index, the images, but no index inside it. */
export function withoutNested(source: Source, destination: Destination): Promise<CopyResult> {
  const keep = not(hasMediaType(mediaTypes.ociIndex))
  return copy(source, 'v1', destination, { filter: { keep, parents: 'rewrite' } })
}

/** What describes the image, without layers of more than 1 MiB; its digest stays, since the layers are still named. */
export function withoutLargeLayers(source: Source, destination: Destination): Promise<CopyResult> {
  return copy(source, 'v1', destination, { filter: { keep: isAtMost(1024 * 1024), parents: 'sparse' } })
}

/** Fails before anything is tagged if the image has a layer, or whatever else, that must not be copied. */
export function withoutDenied(
  source: Source,
  destination: Destination,
  denied: readonly string[],
): Promise<CopyResult> {
  return copy(source, 'v1', destination, { filter: { keep: isNoneOf(denied), parents: 'error' } })
}

/** Of what cosign has attached by tags that are named after a digest, the signatures alone. */
export function withSignatures(source: Source, destination: Destination): Promise<CopyResult> {
  return extendedCopy(source, 'v1', destination, { digestTags: true, ascentFilter: hasTag(/\.sig$/) })
}

/** Two conditions at once: one platform, and no entry that is marked as internal. */
export function bothConditions(source: Source, destination: Destination): Promise<CopyResult> {
  const keep = allOf(
    isForPlatform({ os: 'linux', architecture: 'amd64' }),
    not(hasAnnotation('org.example.visibility', 'internal', { of: 'entry' })),
  )
  return copy(source, 'v1', destination, { filter: { keep, parents: 'rewrite' } })
}

/** One of two conditions: what is small, and layers of any size that are compressed. */
export function eitherCondition(source: Source, destination: Destination): Promise<CopyResult> {
  const keep = anyOf(isAtMost(1024 * 1024), hasMediaType(/\+(gzip|zstd)$/))
  return copy(source, 'v1', destination, { filter: { keep, parents: 'sparse' } })
}
