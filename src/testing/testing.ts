export { challenge, requireBasic, requireToken } from './access.ts'
export type { ChallengeOptions } from './access.ts'
export {
  answerWith,
  changeHeaders,
  changeJson,
  changeStatus,
  htmlPage,
  insteadOf,
  redirectTo,
  refuseWith,
} from './answers.ts'
export type { AnswerOptions, HeaderChange } from './answers.ts'
export { changeRequest } from './fault.ts'
export type { EndpointName, Fault, FaultyAnswer, FaultyRequest, HeaderValues, Next, Part } from './fault.ts'
export { startFaultyRegistry } from './faulty-registry.ts'
export type { FaultyRegistry, FaultyRegistryOptions } from './faulty-registry.ts'
export type { TlsFiles } from './front.ts'
export type { SeenRequest } from './log.ts'
export { during, nth, on, sometimes, times } from './match.ts'
export type { RequestMatch } from './match.ts'
export { acr } from './profiles/acr.ts'
export { artifactory } from './profiles/artifactory.ts'
export { cdn } from './profiles/cdn.ts'
export type { CdnOptions } from './profiles/cdn.ts'
export { distribution } from './profiles/distribution.ts'
export { dockerHub } from './profiles/docker-hub.ts'
export type { DockerHubOptions } from './profiles/docker-hub.ts'
export { ecr, ecrPublic, immutableTags } from './profiles/ecr.ts'
export type { EcrOptions } from './profiles/ecr.ts'
export { ghcr } from './profiles/ghcr.ts'
export { gitlab } from './profiles/gitlab.ts'
export type { GitlabOptions } from './profiles/gitlab.ts'
export { gar, gcr } from './profiles/google.ts'
export { harbor } from './profiles/harbor.ts'
export type { HarborOptions } from './profiles/harbor.ts'
export { nexus } from './profiles/nexus.ts'
export { olareg } from './profiles/olareg.ts'
export type { OlaregOptions } from './profiles/olareg.ts'
export type { Profile, ProfileParts } from './profiles/profile.ts'
export { profiles } from './profiles/profiles.ts'
export type { ProfileName } from './profiles/profiles.ts'
export { quay } from './profiles/quay.ts'
export { redHat } from './profiles/red-hat.ts'
export { zot } from './profiles/zot.ts'
export type { ZotOptions } from './profiles/zot.ts'
export { startTokenService } from './token-service.ts'
export type { TokenService, TokenServiceOptions } from './token-service.ts'
export { tokenUser } from './tokens.ts'
export type { Grant, TokenRules, Tokens } from './tokens.ts'
export type { Scopes } from './scopes.ts'
export { dropUpload, forgetBrokenUploads, moveUploads } from './uploads.ts'
export type { MoveOptions } from './uploads.ts'
export type { Users } from './users.ts'
export {
  afterBytes,
  corruptResponse,
  delay,
  dropConnection,
  lengthenResponse,
  loseAnswer,
  reframeResponse,
  resetRequestAfter,
  resetResponseAfter,
  trickleResponse,
  truncateResponse,
} from './wire.ts'
export type { Framing } from './wire.ts'
