import { Option, type Command } from 'commander'
import * as values from './flag-values.ts'
import type { CompressionChoice } from './flag-values.ts'

/** Of `copygraph cp`: what of a graph is copied, and what becomes of it. */
export interface CopyFlags {
  readonly recursive?: boolean | undefined
  readonly referrers?: 'none' | 'root' | 'all' | undefined
  readonly depth?: number | undefined
  readonly digestTags?: boolean | undefined
  readonly requireReferrer?: readonly string[] | undefined
  readonly artifactType?: readonly string[] | undefined
  /** As they were typed, each once. */
  readonly platform?: readonly string[] | undefined
  readonly keepIndex?: boolean | undefined
  readonly sparse?: boolean | undefined
  readonly stripAttestations?: boolean | undefined
  readonly toOci?: boolean | undefined
  readonly toDocker?: boolean | undefined
  readonly compress?: CompressionChoice | undefined
  readonly created?: string | undefined
  readonly annotation?: ReadonlyMap<string, string> | undefined
  readonly annotationRemove?: readonly string[] | undefined
  readonly recordOriginalDigest?: boolean | undefined
  readonly onInvalidated?: 'drop' | 'keep' | 'repoint' | undefined
}

/** Adds the flags of `CopyFlags`, with their sections of the help. */
export function addCopyFlags(command: Command): void {
  addReferrerFlags(command)
  addPlatformFlags(command)
  addModifierFlags(command)
}

function addReferrerFlags(command: Command): void {
  command
    .option(
      '-r, --recursive',
      'also what refers to it: signatures, SBOMs, attestations, and what refers to those',
    )
    .addOption(
      new Option(
        '--referrers <whose>',
        "with -r: nobody's; those of the reference; also those of all manifests below (all)",
      ).choices(['none', 'root', 'all']),
    )
    .addOption(
      new Option('--depth <number>', 'with -r: so many steps upwards at most (no limit)').argParser(
        values.positiveInteger,
      ),
    )
    .option('--digest-tags', 'with -r: also what cosign has attached by tags (sha256-….sig, .att, .sbom)')
    .addOption(
      new Option(
        '--artifact-type <type>',
        'with -r: of what refers to something, only this artifact type; may be repeated',
      ).argParser(values.names),
    )
    .addOption(
      new Option(
        '--require-referrer <type>',
        'with -r: exit with 3, and copy nothing, unless it has a referrer of this artifact type; may be repeated',
      ).argParser(values.names),
    )
}

function addPlatformFlags(command: Command): void {
  command
    .addOption(
      new Option(
        '--platform <os/arch[/variant],...>',
        'the one image for this platform (local for this machine); for several, or with *, an index of their images and attestations',
      ).argParser(values.platforms),
    )
    .option('--keep-index', 'with --platform: an index also of one platform')
    .option('--sparse', 'with such an index: keep its bytes and digest, and do not copy its other images')
}

function addModifierFlags(command: Command): void {
  command
    .option('--strip-attestations', "remove BuildKit's attestations from indexes")
    .option('--to-oci', "change Docker's media types to OCI's")
    .option('--to-docker', "change OCI's media types to Docker's")
    .addOption(
      new Option('--compress <way[:level]>', 'compress layers: zstd, gzip or none').argParser(
        values.compression,
      ),
    )
    .option('--created <time>', 'set the time of creation, ISO 8601 or seconds since 1970')
    .addOption(
      new Option(
        '--annotation <name=value>',
        'set an annotation of the reference; may be repeated',
      ).argParser(values.annotations),
    )
    .addOption(
      new Option('--annotation-remove <name>', 'remove one; may be repeated').argParser(values.names),
    )
    .option('--record-original-digest', 'put the digest of the source into an annotation, if it changes')
    .addOption(
      new Option(
        '--on-invalidated <choice>',
        'what becomes of a signature, or another referrer, of what has changed (drop)',
      ).choices(['drop', 'keep', 'repoint']),
    )
}
