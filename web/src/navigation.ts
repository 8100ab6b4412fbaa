import type { Role } from './api/types';
import type { IconName } from './lib/states';

export interface Place {
  href: string;
  name: string;
  icon: IconName;
  /** Who it is for, where not for all of its area: whoever has one of these roles. */
  roles?: Role[];
}

export interface Area {
  name: string;
  role: Role | undefined;
  places: Place[];
}

/** What the menu offers, by area; an area is there for whoever has its role. */
const AREAS: Area[] = [
  { name: '', role: undefined, places: [{ href: '/', name: 'Home', icon: 'home' }] },
  {
    name: 'Render',
    role: 'artist',
    places: [
      { href: '/jobs', name: 'Jobs', icon: 'grid' },
      { href: '/jobs/new', name: 'New job', icon: 'plus' },
    ],
  },
  {
    name: 'Earn',
    role: 'node_owner',
    places: [
      { href: '/nodes', name: 'My nodes', icon: 'cpu' },
      { href: '/nodes/add', name: 'Add a node', icon: 'plus' },
    ],
  },
  {
    name: 'Stream',
    role: 'broadcaster',
    places: [{ href: '/streams', name: 'Streams', icon: 'cast' }],
  },
  {
    name: 'Operate',
    role: 'operator',
    places: [
      { href: '/operate/queue', name: 'Queue', icon: 'list' },
      { href: '/operate/nodes', name: 'Nodes', icon: 'cpu' },
      { href: '/operate/workers', name: 'Workers', icon: 'film' },
      { href: '/operate/gateways', name: 'Gateways', icon: 'gate' },
      { href: '/operate/ledger', name: 'Ledger', icon: 'book' },
      { href: '/operate/payouts', name: 'Payouts', icon: 'coins' },
      { href: '/operate/settlement', name: 'Settlement', icon: 'scale' },
    ],
  },
  {
    name: 'You',
    role: undefined,
    places: [
      { href: '/keys', name: 'API keys', icon: 'key' },
      { href: '/webhooks', name: 'Webhooks', icon: 'hook', roles: ['artist', 'broadcaster'] },
      { href: '/account', name: 'Account', icon: 'user' },
    ],
  },
];

/** The menu of somebody who has the roles that `can` says. */
export function menuOf(can: (role: Role) => boolean): Area[] {
  return AREAS.filter((area) => area.role === undefined || can(area.role)).map((area) => ({
    ...area,
    places: area.places.filter((place) => place.roles?.some(can) ?? true),
  }));
}

/** Which place of the menu a path belongs to: the longest that begins it. */
export function placeOf(path: string): string {
  if (path.startsWith('/quotes/')) return '/jobs/new';
  const all = AREAS.flatMap((area) => area.places.map((place) => place.href));
  const fitting = all.filter(
    (href) => path === href || (href !== '/' && path.startsWith(`${href}/`)),
  );
  return fitting.sort((a, b) => b.length - a.length)[0] ?? '/';
}
