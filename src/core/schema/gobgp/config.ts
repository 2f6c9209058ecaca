/**
 * GoBGP's configuration file (YAML, TOML or JSON with the same keys). Every key that GoBGP knows is here: obeyed, or with
 * the reason why it is not. What GoBGP does not know it refuses, and so does Herald.
 */
import { z } from 'zod'
import { md5KeyBytesMax } from '#core/net/tcp.ts'
import { addressField as strictAddressField, ipv4Field } from '../fields.ts'
import {
  addressField,
  booleanField,
  choiceField,
  numberField,
  part,
  prefixField,
  secondsField,
  state,
  uint32Field,
  unsupported,
  withoutEffect,
  clusterIdField,
  wordField,
  zonedAddressField,
} from './fields.ts'
import { definedSetsSchema, policyDefinitionSchema } from './policy.ts'

const portField = numberField(0, 65535)
const noForwarding = 'Herald does not put routes into the kernel'

const applyPolicy = part({
  'import-policy-list': z.array(wordField).optional(),
  'default-import-policy': choiceField(['accept-route', 'reject-route']).optional(),
  'export-policy-list': z.array(wordField).optional(),
  'default-export-policy': choiceField(['accept-route', 'reject-route']).optional(),
  'in-policy-list': unsupported('GoBGP itself has given up in-policies'),
  'default-in-policy': unsupported('GoBGP itself has given up in-policies'),
})

const gracefulRestart = part({
  enabled: booleanField.optional(),
  'restart-time': numberField(0, 4095).optional(),
  'stale-routes-time': numberField(0, 4095).optional(),
  'helper-only': booleanField.optional(),
  'deferral-time': numberField(0, 4095).optional(),
  'notification-enabled': booleanField.optional(),
  'long-lived-enabled': booleanField.optional(),
})

const useMultiplePaths = z
  .strictObject({
    config: z.strictObject({ enabled: booleanField.optional() }).optional(),
    ebgp: part({
      'allow-multiple-as': withoutEffect('paths of different ASes may be equally good'),
      'maximum-paths': numberField(0, 255).optional(),
    }),
    ibgp: part({ 'maximum-paths': numberField(0, 255).optional() }),
    ...state,
  })
  .optional()

const prefixLimit = part({
  'max-prefixes': uint32Field.optional(),
  'shutdown-threshold-pct': numberField(0, 100).optional(),
  'restart-timer': numberField(0, 86400).optional(),
})

const addPaths = part({ receive: booleanField.optional(), 'send-max': numberField(0, 255).optional() })

/** What Herald speaks, then what else GoBGP does. */
export const gobgpFamilies = [
  'ipv4-unicast',
  'ipv6-unicast',
  'ipv4-labelled-unicast',
  'ipv6-labelled-unicast',
  'l3vpn-ipv4-unicast',
  'l3vpn-ipv6-unicast',
  'l3vpn-ipv4-multicast',
  'l3vpn-ipv6-multicast',
  'l2vpn-vpls',
  'l2vpn-evpn',
  'ipv4-multicast',
  'ipv6-multicast',
  'rtc',
  'ipv4-encap',
  'ipv6-encap',
  'ipv4-flowspec',
  'l3vpn-ipv4-flowspec',
  'ipv6-flowspec',
  'l3vpn-ipv6-flowspec',
  'l2vpn-flowspec',
  'ipv4-srpolicy',
  'ipv6-srpolicy',
  'ipv4-mup',
  'ipv6-mup',
  'opaque',
  'ls',
] as const

const ownFamily = z
  .strictObject({
    'prefix-limit': prefixLimit,
    config: z.strictObject({ 'send-default-route': unsupported('no default route is made') }).optional(),
    ...state,
  })
  .optional()
const otherFamily = unsupported('only IPv4 and IPv6 unicast are spoken')

const afiSafi = z.strictObject({
  config: z
    .strictObject({ 'afi-safi-name': choiceField(gobgpFamilies), enabled: booleanField.optional() })
    .optional(),
  'mp-graceful-restart': part({ enabled: booleanField.optional() }),
  'apply-policy': unsupported('policies are applied to all families; a policy may match families'),
  'ipv4-unicast': ownFamily,
  'ipv6-unicast': ownFamily,
  'ipv4-labelled-unicast': otherFamily,
  'ipv6-labelled-unicast': otherFamily,
  'l3vpn-ipv4-unicast': otherFamily,
  'l3vpn-ipv6-unicast': otherFamily,
  'l3vpn-ipv4-multicast': otherFamily,
  'l3vpn-ipv6-multicast': otherFamily,
  'l2vpn-vpls': otherFamily,
  'l2vpn-evpn': otherFamily,
  'route-selection-options': unsupported('how routes are chosen is said for all families'),
  'use-multiple-paths': unsupported('how many paths are used is said for all families'),
  'prefix-limit': prefixLimit,
  'route-target-membership': unsupported('route targets are not spoken'),
  'long-lived-graceful-restart': part({
    enabled: booleanField.optional(),
    'restart-time': numberField(0, 16777215).optional(),
  }),
  'add-paths': addPaths,
  ...state,
})

/** What a neighbour and a group of them have in common. */
const neighborParts = {
  timers: part({
    'connect-retry': secondsField.optional(),
    'hold-time': secondsField.optional(),
    'keepalive-interval': secondsField.optional(),
    'minimum-advertisement-interval': withoutEffect('changes leave at once, or within 10 ms'),
    'idle-hold-time-after-reset': withoutEffect('how long to wait after a failure is for the speaker to say'),
  }),
  transport: part({
    'tcp-mss': unsupported("the kernel chooses the connection's segment size"),
    'mtu-discovery': unsupported("the kernel's setting stays"),
    'passive-mode': booleanField.optional(),
    'local-address': addressField.optional(),
    'remote-port': portField.optional(),
    ttl: numberField(0, 255).optional(),
    'bind-interface': wordField.optional(),
  }),
  'error-handling': part({ 'treat-as-withdraw': withoutEffect('errors are handled as RFC 7606 says') }),
  'logging-options': withoutEffect('changes of state are always logged'),
  'ebgp-multihop': part({ enabled: booleanField.optional(), 'multihop-ttl': numberField(0, 255).optional() }),
  'route-reflector': part({
    'route-reflector-cluster-id': clusterIdField.optional(),
    'route-reflector-client': booleanField.optional(),
  }),
  'as-path-options': part({
    'allow-own-as': numberField(0, 255).optional(),
    'replace-peer-as': unsupported("the neighbour's AS number stays in paths"),
  }),
  'add-paths': addPaths,
  'afi-safis': z.array(afiSafi).optional(),
  'graceful-restart': gracefulRestart,
  'apply-policy': applyPolicy,
  'use-multiple-paths': unsupported('how many paths are used is said in global'),
  'route-server': part({
    'route-server-client': booleanField.optional(),
    'secondary-route': unsupported('a client gets the best path only'),
  }),
  'ttl-security': part({ enabled: booleanField.optional(), 'ttl-min': numberField(0, 255).optional() }),
  bfd: unsupported('BFD is not spoken yet, so a lost neighbour is noticed by its hold time'),
}

const neighborConfig = {
  'peer-as': uint32Field.optional(),
  'local-as': uint32Field.optional(),
  'peer-type': withoutEffect('the AS numbers say what kind of neighbour it is'),
  'auth-password': wordField
    .refine((text) => utf8Length(text) <= md5KeyBytesMax, {
      error: `a password has at most ${md5KeyBytesMax} bytes`,
    })
    .optional(),
  'remove-private-as': choiceField(['all', 'replace', '']).optional(),
  'route-flap-damping': withoutEffect('GoBGP does not damp either'),
  'send-community': withoutEffect('communities are always sent'),
  'send-software-version': unsupported('the name of the program is not told'),
  description: wordField.optional(),
}

const neighborSchema = z.strictObject({
  config: z
    .strictObject({
      ...neighborConfig,
      'peer-group': wordField.optional(),
      'neighbor-address': zonedAddressField.optional(),
      'admin-down': booleanField.optional(),
      'neighbor-interface': wordField.optional(),
      vrf: wordField.optional(),
    })
    .optional(),
  ...neighborParts,
  ...state,
})

const peerGroupSchema = z.strictObject({
  config: z.strictObject({ ...neighborConfig, 'peer-group-name': wordField }),
  ...neighborParts,
  ...state,
})

const globalSchema = z.strictObject({
  config: z.strictObject({
    as: numberField(1, 4294967295),
    'router-id': ipv4Field.optional(),
    port: numberField(-1, 65535).optional(),
    'local-address-list': z.array(addressField).optional(),
  }),
  'route-selection-options': part({
    'always-compare-med': booleanField.optional(),
    'ignore-as-path-length': unsupported('the length of the AS path always counts'),
    'external-compare-router-id': withoutEffect('router IDs are compared as RFC 4271 §9.1.2.2 says'),
    'advertise-inactive-routes': withoutEffect('routes are announced whether or not the kernel uses them'),
    'enable-aigp': booleanField.optional(),
    'ignore-next-hop-igp-metric': withoutEffect('there is no IGP whose metric could count'),
    'disable-best-path-selection': unsupported('the best path is always chosen'),
  }),
  'default-route-distance': withoutEffect(noForwarding),
  confederation: part({
    enabled: booleanField.optional(),
    identifier: uint32Field.optional(),
    'member-as-list': z.array(numberField(1, 4294967295)).optional(),
  }),
  'use-multiple-paths': useMultiplePaths,
  'graceful-restart': withoutEffect('GoBGP too goes by what is said for each neighbour'),
  'afi-safis': z.array(afiSafi).optional(),
  'apply-policy': applyPolicy,
  ...state,
})

export const gobgpConfigSchema = z.strictObject({
  global: globalSchema,
  neighbors: z.array(neighborSchema).optional(),
  'peer-groups': z.array(peerGroupSchema).optional(),
  'dynamic-neighbors': z
    .array(z.strictObject({ config: z.strictObject({ prefix: prefixField, 'peer-group': wordField }) }))
    .optional(),
  'defined-sets': definedSetsSchema.optional(),
  'policy-definitions': z.array(policyDefinitionSchema).optional(),
  'rpki-servers': z
    .array(
      z.strictObject({
        config: z.strictObject({
          address: strictAddressField,
          port: portField.optional(),
          'refresh-time': withoutEffect('the cache says how often to ask'),
          'hold-time': withoutEffect('the cache says how long its data holds'),
          'record-lifetime': withoutEffect('the cache says how long its data holds'),
          preference: withoutEffect('caches are preferred in the order in which they are written'),
        }),
        ...state,
      }),
    )
    .max(16)
    .optional(),
  'bmp-servers': z
    .array(
      z.strictObject({
        config: z.strictObject({
          address: strictAddressField,
          port: portField.optional(),
          'route-monitoring-policy': choiceField([
            'pre-policy',
            'post-policy',
            'both',
            'local-rib',
            'all',
          ]).optional(),
          'statistics-timeout': numberField(0, 86400).optional(),
          'route-mirroring-enabled': unsupported('messages are not mirrored'),
          'sys-name': unsupported('the station is told the name of the host'),
          'sys-descr': unsupported('the station is told the name of the program'),
        }),
        ...state,
      }),
    )
    .max(16)
    .optional(),
  'mrt-dump': z
    .array(
      z.strictObject({
        config: z.strictObject({
          'dump-type': choiceField(['updates', 'table']),
          'file-name': wordField.refine((text) => text.startsWith('/'), {
            error: 'write the whole path, which starts with a slash',
          }),
          'table-name': unsupported('there is one table, of which all routes are dumped'),
          'dump-interval': numberField(0, 604800).optional(),
          'rotation-interval': numberField(0, 604800).optional(),
        }),
      }),
    )
    .optional(),
  zebra: unsupported(noForwarding),
  collector: unsupported('there is no collector'),
  vrfs: unsupported('there is one routing table'),
})

export type GobgpConfig = z.output<typeof gobgpConfigSchema>
export type GobgpNeighbor = NonNullable<GobgpConfig['neighbors']>[number]
export type GobgpPeerGroup = NonNullable<GobgpConfig['peer-groups']>[number]
export type GobgpAfiSafi = NonNullable<GobgpNeighbor['afi-safis']>[number]

function utf8Length(text: string): number {
  return encodeURIComponent(text.toWellFormed()).replaceAll(/%../g, '.').length
}
