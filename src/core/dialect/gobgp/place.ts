/** GoBGP's file as an object that problems can name, and the names of what is made from it. */
import type { KubeObject } from '#core/schema/object.ts'
import type { GobgpConfig } from '#core/schema/gobgp/config.ts'

/** The file, as an object of a snapshot: its `spec` was validated. */
export interface GobgpFile extends KubeObject {
  apiVersion: typeof gobgpApiVersion
  kind: 'File'
  spec: GobgpConfig
}

/** Of no API: such objects come from files only. */
export const gobgpApiVersion = 'gobgp'

/** Names of what is made from the file start with this. */
export const namePrefix = 'gobgp/'

export const instanceName = `${namePrefix}global`
