// What this server can do, from its own description: the page offers nothing that would be refused.
import { get } from '../lib/api';

export const features = $state({ goOn: false, tools: false, catalog: false });

export async function refreshFeatures(): Promise<void> {
  const { paths } = await get<{ paths: Record<string, unknown> }>('/hearth/openapi.json');
  const has = (pattern: RegExp): boolean => Object.keys(paths).some((path) => pattern.test(path));
  features.goOn = has(/^\/hearth\/chats\/\{\w+\}\/continue$/);
  features.tools = has(/^\/hearth\/mcp$/);
  features.catalog = has(/^\/hearth\/catalog$/);
}
