import type { Descriptor } from '../content/descriptor.ts'
import type { Edge } from '../content/manifest-types.ts'
import type { NodeFilter } from './filter.ts'
import type { CopyGraphOptions, CopyOptions, CopyResult } from './options.ts'

/** What a copy takes along besides what is under a node. */
export interface AscentOptions {
  /**
   * Whose referrers come along: nobody's; those of the node, and theirs; or also those of every manifest below, such as
   * the images of an index. @default 'all'
   */
  readonly referrers?: 'none' | 'root' | 'all' | undefined
  /**
   * Which edges lead upwards: `'subject'` to referrers, `'contains'` from the node to the indexes that contain it, and to
   * theirs, where the source knows them (a registry does not). @default ['subject']
   */
  readonly edges?: readonly Edge[] | undefined
  /** So many edges upwards at most. @default Infinity */
  readonly depth?: number | undefined
  /** Whether an index that was found on the way up brings its other manifests; without them it is sparse. @default 'complete' */
  readonly ancestors?: 'complete' | 'alone' | undefined
  /**
   * Also what cosign has attached by tags named after a digest (`sha256-<hex>.sig`, `.att`, `.sbom`), with these tags;
   * of whom, `referrers` says. @default false
   */
  readonly digestTags?: boolean | undefined
  /** Which of the nodes above come along, with what is above them. @default all of them */
  readonly ascentFilter?: NodeFilter | undefined
  /** Artifact types of which the node must have a referrer, each, or the copy fails with NOT_FOUND before anything is written. @default none */
  readonly requiredReferrers?: readonly string[] | undefined
}

/** How the graph around a node is copied. */
export interface ExtendedCopyGraphOptions extends CopyGraphOptions, AscentOptions {}

/** How the graph around a reference is copied and tagged. */
export interface ExtendedCopyOptions extends CopyOptions, AscentOptions {}

/** What an extended copy did. */
export interface ExtendedCopyResult extends CopyResult {
  /** What was copied with all that is under it: nothing that was found refers to one of these. */
  readonly roots: readonly Descriptor[]
  /** The tags named after digests that were carried over. */
  readonly digestTags: readonly string[]
}
