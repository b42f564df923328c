export { copy } from './copy/copy.ts'
export { copyGraph } from './copy/copy-graph.ts'
export type {
  CopyGraphOptions,
  CopyOptions,
  CopyResult,
  Disposition,
  Invalidated,
  InvalidatedState,
  NodeState,
  RootState,
  SuccessorsState,
  Tally,
} from './copy/options.ts'

export type { FilteredNode, FilterRule, NodeFilter } from './copy/filter.ts'
export {
  allOf,
  anyOf,
  hasAnnotation,
  hasArtifactType,
  hasMediaType,
  hasTag,
  isAtMost,
  isForPlatform,
  isNoneOf,
  manifestsOnly,
  not,
  parsePlatformPattern,
} from './copy/filters.ts'
export type { AnnotationPlace, PlatformPattern } from './copy/filters.ts'
export { editConfig } from './copy/modifiers/edit-config.ts'
export type { ConfigChanges } from './copy/modifiers/edit-config.ts'
export type { TextChanges } from './copy/modifiers/fields.ts'
export { originalDigestAnnotation, recordOriginalDigest } from './copy/modifiers/record-original-digest.ts'
export { setAnnotations } from './copy/modifiers/set-annotations.ts'
export type { SetAnnotationsOptions } from './copy/modifiers/set-annotations.ts'
export { setCreated } from './copy/modifiers/set-created.ts'
export { stripAttestations } from './copy/modifiers/strip-attestations.ts'
export { toDocker } from './copy/modifiers/to-docker.ts'
export { toOci } from './copy/modifiers/to-oci.ts'
export { createModifierMemory, modifierMemoryIn } from './copy/modifiers/modifier-memory.ts'
export type { ModifierMemory } from './copy/modifiers/modifier-memory.ts'
export { addLayer } from './copy/modifiers/layers/add-layer.ts'
export type { AddFilesOptions, AddTarOptions } from './copy/modifiers/layers/add-layer.ts'
export { dropLayers, replaceLayer } from './copy/modifiers/layers/choose-layers.ts'
export type { LayerPredicate, LayerState, ReplacementLayer } from './copy/modifiers/layers/choose-layers.ts'
export type { LayerCompression } from './copy/modifiers/layers/layer-types.ts'
export { rebase } from './copy/modifiers/layers/rebase.ts'
export type { BaseImage, RebaseOptions } from './copy/modifiers/layers/rebase.ts'
export { recompressLayers } from './copy/modifiers/layers/recompress-layers.ts'
export type { RecompressLayersOptions } from './copy/modifiers/layers/recompress-layers.ts'
export type { StoreLayerOptions } from './copy/modifiers/layers/store-layer.ts'
export type {
  LayerDirectory,
  LayerFile,
  LayerRegularFile,
  LayerSymbolicLink,
} from './copy/modifiers/layers/tar.ts'
export { descriptorJson } from './copy/modifiers/modifier.ts'
export type {
  BlobNode,
  ChangedBlob,
  ChangedManifest,
  Json,
  JsonObject,
  ManifestNode,
  Modification,
  Modifier,
} from './copy/modifiers/modifier.ts'
export { extendedCopy, extendedCopyGraph } from './copy/extended-copy.ts'
export type {
  AscentOptions,
  ExtendedCopyGraphOptions,
  ExtendedCopyOptions,
  ExtendedCopyResult,
} from './copy/extended-options.ts'
export { planCopy, planCopyGraph, planExtendedCopy, planExtendedCopyGraph } from './copy/plan.ts'
export type { SideRequests } from './copy/plan-book.ts'
export type {
  Plan,
  PlannedAction,
  PlannedImage,
  PlannedNode,
  PlannedOperation,
  PlannedReason,
  PlanTotals,
} from './copy/plan-types.ts'
export type { PushReason } from './copy/planned-destination.ts'
export { runPlan } from './copy/run-plan.ts'
export { parsePlan, serializePlan } from './copy/saved-plan.ts'
export type { PlanNames } from './copy/saved-plan.ts'

export { selectPlatform } from './copy/select-platform.ts'
export type { CachedSourceOptions } from './copy/cached-source.ts'

export { buildGraph } from './graph/graph.ts'
export type {
  BuildGraphOptions,
  ContentGraph,
  GraphDirection,
  GraphEdge,
  GraphLabel,
  GraphNode,
  GraphNodeState,
} from './graph/graph.ts'
export { findReferrers } from './graph/find-referrers.ts'
export type { FindReferrersOptions, FoundReferrer } from './graph/find-referrers.ts'
export { walkPredecessors } from './graph/predecessors.ts'
export type { PredecessorsOptions, WalkedPredecessor } from './graph/predecessors.ts'
export { renderDot } from './graph/render-dot.ts'
export { renderHtml } from './graph/render-html.ts'
export { renderJson } from './graph/render-json.ts'
export type { JsonGraph, JsonGraphEdge, JsonGraphNode } from './graph/render-json.ts'
export type { NodeKind } from './graph/node-kind.ts'
export { renderMermaid } from './graph/render-mermaid.ts'
export { renderReferrers } from './graph/render-referrers.ts'
export { renderSvg } from './graph/render-svg.ts'
export { renderTree } from './graph/render-tree.ts'
export { walk } from './graph/walk.ts'
export type { WalkedNode, WalkOptions } from './graph/walk.ts'

export { MemoryTarget } from './targets/memory.ts'
export type { MemoryTargetOptions } from './targets/memory.ts'
export type {
  Destination,
  FetchedManifest,
  FetchReferenceOptions,
  PlannedPush,
  PlanPushOptions,
  Predecessor,
  PushOptions,
  PushOutcome,
  PushPlanner,
  ReferrersOptions,
  Source,
  TagsOptions,
  Target,
} from './targets/target.ts'

export type { Annotations } from './content/annotations.ts'
export { refNameAnnotation } from './content/annotations.ts'
export { contentOf } from './content/content.ts'
export type { Content } from './content/content.ts'
export { plainDescriptor, sameNode } from './content/descriptor.ts'
export type { Descriptor } from './content/descriptor.ts'
export { digestOf, isDigest, parseDigest } from './content/digest.ts'
export type { Digest, DigestAlgorithm, DigestParts } from './content/digest.ts'
export { declareManifestTypes, standardManifestTypes, successorsOf } from './content/manifest-types.ts'
export type { Edge, ManifestType, ManifestTypes, Successor } from './content/manifest-types.ts'
export { parseDescriptor } from './content/manifest.ts'
export type { ManifestFacts } from './content/manifest.ts'
export { isForeignLayer, mediaTypes } from './content/media-types.ts'
export { formatPlatform, localPlatform, matchesPlatform, parsePlatform } from './content/platform.ts'
export type { Platform } from './content/platform.ts'
export { formatReference, isRegistry, isRepository, isTag, parseReference } from './content/reference.ts'
export type { Reference } from './content/reference.ts'
export { parseStrictJson } from './content/strict-json.ts'
export type { JsonLimits } from './content/strict-json.ts'
export { defaultMaxMetadataBytes, readAll, verify, verifyBytes } from './content/verify.ts'

export {
  AuthError,
  CopyError,
  DigestMismatchError,
  errorCode,
  InvalidDigestError,
  InvalidLayerError,
  InvalidLayoutError,
  InvalidManifestError,
  InvalidReferenceError,
  LockedError,
  NotFoundError,
  OciError,
  ResponseError,
  SizeExceedsLimitError,
  SizeMismatchError,
  UnreachableError,
  UnsupportedError,
} from './errors.ts'
export type { CopyFacts, ErrorCode, RegistryErrorDetail, ResponseFacts } from './errors.ts'
export type {
  CopyEvent,
  FilterReason,
  NodeEvent,
  Side,
  SignalOptions,
  SkipReason,
  TargetEvent,
} from './events.ts'
