import { acr } from './acr.ts'
import { artifactory } from './artifactory.ts'
import { cdn } from './cdn.ts'
import { distribution } from './distribution.ts'
import { dockerHub } from './docker-hub.ts'
import { ecr, ecrPublic } from './ecr.ts'
import { ghcr } from './ghcr.ts'
import { gitlab } from './gitlab.ts'
import { gar, gcr } from './google.ts'
import { harbor } from './harbor.ts'
import { nexus } from './nexus.ts'
import { olareg } from './olareg.ts'
import type { Profile } from './profile.ts'
import { quay } from './quay.ts'
import { redHat } from './red-hat.ts'
import { zot } from './zot.ts'

/** The registries of which there is a profile. */
export type ProfileName =
  | 'docker-hub'
  | 'ghcr'
  | 'ecr'
  | 'ecr-public'
  | 'acr'
  | 'gar'
  | 'gcr'
  | 'quay'
  | 'harbor'
  | 'gitlab'
  | 'artifactory'
  | 'nexus'
  | 'distribution'
  | 'zot'
  | 'olareg'
  | 'red-hat'
  | 'cdn'

/** Every profile with its defaults, to test against all of them. */
export const profiles: Readonly<Record<ProfileName, () => Profile>> = {
  'docker-hub': dockerHub,
  ghcr,
  ecr,
  'ecr-public': ecrPublic,
  acr,
  gar,
  gcr,
  quay,
  harbor,
  gitlab,
  artifactory,
  nexus,
  distribution,
  zot,
  olareg,
  'red-hat': redHat,
  cdn,
}
