#include "keeper/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper/listeners.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/sha256.h"

/* ---- folders and lock ---- */

int state_lock(struct keeper *keeper, struct error *error)
{
	const char *path = keeper->options->state;
	int status = file_make_folder(path, 0755);
	if (status != 0) {
		return error_set_code(error, status, "state folder %s", path);
	}
	keeper->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (keeper->state_fd < 0) {
		return error_set_code(error, -errno, "state folder %s", path);
	}
	keeper->lock_fd =
	        openat(keeper->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (keeper->lock_fd < 0) {
		return error_set_code(error, -errno, "%s/lock", path);
	}
	if (flock(keeper->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		return error_set_code(error, -errno, "another sekisho-keeper runs on %s", path);
	}
	return state_write_lock(keeper);
}

int state_write_lock(const struct keeper *keeper)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (pwrite(keeper->lock_fd, text, (size_t)length, 0) != length ||
	        ftruncate(keeper->lock_fd, length) != 0) {
		return -errno;
	}
	return 0;
}

static int find_user(const char *name, struct keeper_user *ret_user, struct error *error)
{
	errno = 0;
	struct passwd *entry = getpwnam(name);
	if (entry == NULL) {
		return error_set(error, SK_E_NOT_FOUND,
		        "the service user %s does not exist (./run makes it)", name);
	}
	*ret_user = (struct keeper_user){entry->pw_uid, entry->pw_gid};
	return 0;
}

static int find_users(struct keeper *keeper, struct error *error)
{
	struct keeper_user own = {getuid(), getgid()};
	keeper->root = geteuid() == 0;
	keeper->sekishod = keeper->queryd = keeper->job = keeper->console = own;
	if (!keeper->root) {
		return 0;
	}
	int status = find_user("sekishod", &keeper->sekishod, error);
	if (status == 0) {
		status = find_user("sekisho-queryd", &keeper->queryd, error);
	}
	if (status == 0) {
		status = find_user("sekisho-job", &keeper->job, error);
	}
	if (status == 0) {
		status = find_user("sekisho-console", &keeper->console, error);
	}
	return status;
}

/* Makes state/<name> with mode and owner, whatever they were; the open folder, or -errno. */
static int open_folder(
        const struct keeper *keeper, const char *name, mode_t mode, struct keeper_user owner)
{
	if (mkdirat(keeper->state_fd, name, mode) != 0 && errno != EEXIST) {
		return -errno;
	}
	int fd = openat(keeper->state_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if ((keeper->root && fchown(fd, owner.uid, owner.gid) != 0) || fchmod(fd, mode) != 0) {
		int status = -errno;
		close(fd);
		return status;
	}
	return fd;
}

/* Removes temporary files that a crash left in a folder of the keeper's. */
static void remove_temporaries(int folder)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
	if (entries == NULL) {
		file_close_fd(&copy);
		return;
	}
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		if (strstr(entry->d_name, ".tmp-") != NULL) {
			unlinkat(folder, entry->d_name, 0);
		}
	}
	closedir(entries);
}

int state_prepare(struct keeper *keeper, struct error *error)
{
	int status = find_users(keeper, error);
	if (status != 0) {
		return status;
	}
	struct keeper_user own = {getuid(), getgid()};
	struct {
		const char *name;
		mode_t mode;
		struct keeper_user owner;
		int *ret_fd; /* NULL: not needed here */
	} folders[] = {
	        {"run", 0755, own, &keeper->run_fd},
	        {"log", 0755, own, &keeper->log_fd},
	        {"tls", 0700, own, &keeper->tls_fd},
	        {"secret", 0700, keeper->sekishod, NULL},
	        {"data", 0700, keeper->sekishod, NULL},
	        {"patterns", 0700, keeper->sekishod, NULL},
	        {"policy", 0700, keeper->sekishod, NULL},
	};
	for (size_t i = 0; i < SK_COUNT(folders); i++) {
		int fd = open_folder(keeper, folders[i].name, folders[i].mode, folders[i].owner);
		if (fd < 0) {
			return error_set_code(
			        error, fd, "folder %s/%s", keeper->options->state, folders[i].name);
		}
		if (folders[i].ret_fd != NULL) {
			*folders[i].ret_fd = fd;
			remove_temporaries(fd);
		} else {
			close(fd);
		}
	}
	return 0;
}

/* "<state>/<folder>/<name>" for the calls that want a path. */
static int make_path(
        const struct keeper *keeper, const char *folder, const char *name, char ret_path[PATH_MAX])
{
	char parent[PATH_MAX];
	int status = file_join(parent, sizeof(parent), keeper->options->state, folder);
	return status != 0 ? status : file_join(ret_path, PATH_MAX, parent, name);
}

/* ---- secrets ---- */

int state_open_secret(const struct keeper *keeper, const char *name, int *ret_fd)
{
	file_cleanup_fd int file = openat(keeper->tls_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *data;
	size_t length;
	if (file < 0) {
		return -errno;
	}
	int status = file_read_fd(file, KEEPER_PEM_MAX, &data, &length);
	if (status != 0) {
		return status;
	}
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	status = fd < 0 ? -errno : file_write_all(fd, data, length);
	explicit_bzero(data, length);
	mem_free(data);
	if (status == 0 &&
	        (lseek(fd, 0, SEEK_SET) != 0 ||
	                fcntl(fd, F_ADD_SEALS,
	                        F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
		status = -errno;
	}
	if (status != 0) {
		file_close_fd(&fd);
		return status;
	}
	*ret_fd = fd;
	return 0;
}

int state_store_secret(const struct keeper *keeper, const char *name, const void *data,
        size_t length, struct error *error)
{
	char path[PATH_MAX];
	int status = make_path(keeper, "tls", name, path);
	if (status != 0) {
		return error_set_code(error, status, "tls/%s", name);
	}
	return file_replace(path, data, length, 0600, error);
}

int state_store_secret_from(
        const struct keeper *keeper, const char *name, int fd, struct error *error)
{
	char *data;
	size_t length;
	if (lseek(fd, 0, SEEK_SET) != 0) {
		return error_set_code(error, -errno, "tls/%s", name);
	}
	int status = file_read_fd(fd, KEEPER_PEM_MAX, &data, &length);
	if (status != 0) {
		return error_set_code(error, status, "tls/%s", name);
	}
	status = state_store_secret(keeper, name, data, length, error);
	explicit_bzero(data, length);
	mem_free(data);
	return status;
}

/* ---- logs, RPC sockets and addresses ---- */

int state_open_log(const struct keeper *keeper, const char *name)
{
	char file[64];
	snprintf(file, sizeof(file), "%s.log", name);
	int fd = openat(
	        keeper->log_fd, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	return fd < 0 ? -errno : fd;
}

int state_open_rpc(const struct keeper *keeper, const char *name, mode_t mode, gid_t group,
        int *ret_fd, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return error_set_code(error, -errno, "run/%s", name);
	}
	/* By way of the open folder: an address has room for 107 bytes, a path may be longer. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", keeper->run_fd,
	        name);
	unlinkat(keeper->run_fd, name, 0);
	mode_t mask = umask(0177);
	int status = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
	umask(mask);
	if (status == 0 && keeper->root &&
	        fchownat(keeper->run_fd, name, 0, group, AT_SYMLINK_NOFOLLOW) != 0) {
		status = -errno;
	}
	if (status == 0 &&
	        (fchmodat(keeper->run_fd, name, mode, 0) != 0 || listen(fd, SOMAXCONN) != 0)) {
		status = -errno;
	}
	if (status != 0) {
		close(fd);
		return error_set_code(error, status, "run/%s", name);
	}
	*ret_fd = fd;
	return 0;
}

void state_host_name(char ret_name[KEEPER_HOST_NAME_SIZE])
{
	char name[KEEPER_HOST_NAME_SIZE] = "";
	size_t length = 0;
	if (gethostname(name, sizeof(name) - 1) != 0) {
		name[0] = '\0';
	}
	for (const char *at = name; *at != '\0'; at++) {
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
		if (letter || (*at >= '0' && *at <= '9') || *at == '-' || *at == '.') {
			ret_name[length++] = *at;
		}
	}
	ret_name[length] = '\0';
	if (length == 0) {
		snprintf(ret_name, KEEPER_HOST_NAME_SIZE, "localhost");
	}
}

/* SHA-256 of the first certificate of tls/query.pem, as `openssl x509 -fingerprint` has it. */
static int get_fingerprint(const struct keeper *keeper, unsigned char ret_digest[SHA256_SIZE])
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END";
	file_cleanup_fd int file =
	        openat(keeper->tls_fd, "query.pem", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text;
	size_t length;
	if (file < 0) {
		return -errno;
	}
	int status = file_read_fd(file, KEEPER_PEM_MAX, &text, &length);
	if (status != 0) {
		return status;
	}
	EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
	unsigned char *bytes = mem_new(length, 1); /* decoded it is shorter */
	char *start = strstr(text, begin);
	char *stop = start != NULL ? strstr(start + sizeof(begin), end) : NULL;
	int size = 0, rest = 0;
	status = SK_E_CORRUPT;
	if (decoder != NULL && bytes != NULL && stop != NULL) {
		start += sizeof(begin) - 1;
		EVP_DecodeInit(decoder);
		if (EVP_DecodeUpdate(decoder, bytes, &size, (unsigned char *)start,
		            (int)(stop - start)) >= 0 &&
		        EVP_DecodeFinal(decoder, bytes + size, &rest) == 1) {
			status = sha256(bytes, (size_t)(size + rest), ret_digest);
		}
	}
	EVP_ENCODE_CTX_free(decoder);
	mem_free(bytes);
	explicit_bzero(text, length);
	mem_free(text);
	return status;
}

static void add_urls(const struct keeper *keeper, struct buf *text)
{
	const char *listen = keeper->options->listen;
	char host[KEEPER_HOST_NAME_SIZE];
	state_host_name(host);
	if (listen != NULL && strcmp(listen, "::") != 0 && strcmp(listen, "0.0.0.0") != 0) {
		snprintf(host, sizeof(host), strchr(listen, ':') != NULL ? "[%s]" : "%s", listen);
	}
	for (uint32_t role = KEEPER_ROLE_FRS_HTTP; role < KEEPER_ROLE_COUNT; role++) {
		bool tls = role == KEEPER_ROLE_FRS_HTTPS || role == KEEPER_ROLE_WRS_HTTPS;
		bool files = role == KEEPER_ROLE_FRS_HTTP || role == KEEPER_ROLE_FRS_HTTPS;
		buf_add_format(text, "%s    \"%s\": \"%s://%s:%u%s\"",
		        role > KEEPER_ROLE_FRS_HTTP ? ",\n" : "\n", keeper_role_name(role),
		        tls ? "https" : "http", host, listeners_port(&keeper->listeners, role),
		        files ? "/tmcss" : "");
	}
}

int state_write_addresses(const struct keeper *keeper, struct error *error)
{
	char path[PATH_MAX], space[4096];
	unsigned char fingerprint[SHA256_SIZE];
	struct buf text;
	buf_init_fixed(&text, space, sizeof(space));
	buf_add_format(&text, "{\n  \"pid\": %d,\n  \"listen\": \"%s\"",
	        (int)keeper->shared->guardian,
	        keeper->options->listen != NULL ? keeper->options->listen : "::");
	for (uint32_t role = KEEPER_ROLE_FRS_HTTP; role < KEEPER_ROLE_COUNT; role++) {
		buf_add_format(&text, ",\n  \"%s\": %u", keeper_role_name(role),
		        listeners_port(&keeper->listeners, role));
	}
	buf_add_text(&text, ",\n  \"urls\": {");
	add_urls(keeper, &text);
	buf_add_text(&text, "\n  },\n  \"certificate_sha256\": \"");
	int status = get_fingerprint(keeper, fingerprint);
	if (status != 0) {
		return error_set_code(error, status, "certificate in tls/query.pem");
	}
	buf_add_hex(&text, fingerprint, sizeof(fingerprint));
	buf_add_text(&text, "\"\n}\n");
	status = buf_status(&text);
	if (status == 0) {
		status = make_path(keeper, "run", "addresses.json", path);
	}
	if (status != 0) {
		return error_set_code(error, status, "run/addresses.json");
	}
	return file_replace(path, text.data, text.length, 0644, error);
}

void state_clear_run(const struct keeper *keeper)
{
	static const char *const names[] = {
	        "addresses.json", "admin.sock", "console.sock", "agent.sock"};
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		unlinkat(keeper->run_fd, names[i], 0);
	}
}
