/* Who may ask. Any web site that the user visits can make the browser send requests to this machine. Under
 * its own name (DNS rebinding) the Host header gives it away; otherwise Origin and Sec-Fetch-Site do. */
#include "serve/serve-private.h"

#include <string.h>

/* Without the port: "localhost", "127.0.0.1", "::1". */
static char *bare_host(const char *host) {
  if (*host == '[') {
    const char *end = strchr(host, ']');
    return end ? g_strndup(host + 1, (gsize)(end - host - 1)) : g_strdup("");
  }
  const char *colon = strchr(host, ':');
  return colon ? g_strndup(host, (gsize)(colon - host)) : g_strdup(host);
}

bool nd_guard_host(const char *host, const char *also) {
  if (!host)
    return false;
  g_autofree char *bare = bare_host(host);
  return !g_ascii_strcasecmp(bare, "localhost") || g_hostname_is_ip_address(bare) ||
         (also && !g_ascii_strcasecmp(bare, also));
}

/* Behind a proxy the page may be called through https. */
static bool is_own(const char *origin, const char *host) {
  const char *schemes[] = {"http://", "https://"};
  for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++)
    if (g_str_has_prefix(origin, schemes[i]))
      return host && !g_ascii_strcasecmp(origin + strlen(schemes[i]), host);
  return false;
}

bool nd_guard_origin(const char *origin, const char *fetch_site, const char *host) {
  if (fetch_site && strcmp(fetch_site, "same-origin") && strcmp(fetch_site, "none"))
    return false;
  return !origin || is_own(origin, host);
}
