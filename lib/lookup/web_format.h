#ifndef LIB_LOOKUP_WEB_FORMAT_H
#define LIB_LOOKUP_WEB_FORMAT_H

/* Names of a web pattern's chunks besides META and VALS. */
#define WEB_HOSTS_ID "HOST" /* host filter */
#define WEB_URLS_ID "URLS" /* key table: expression → value */
#define WEB_ADDRESSES_ID "ADDR" /* prefix table: prefix → value */
#define WEB_CHUNK_COUNT 5

#endif
