#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "job/job.h"
#include "job/kinds.h"
#include "lib/base/file.h"
#include "lib/data/address.h"

#define NAMES_MAX 32
#define ADDRESSES_MAX 64
#define NAME_MAX_BYTES 253
#define COMMON_NAME_MAX 64
#define DAYS_MAX 3650
#define SERIAL_SIZE 16
#define DAY_SECONDS 86400

/* OpenSSL reads its configuration and asks for randomness while files can still be opened. */
int certificate_prepare(struct job *job)
{
	unsigned char byte;
	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) != 1 || RAND_bytes(&byte, 1) != 1) {
		return error_set(&job->error, SK_E_CRYPTO, "OpenSSL could not be started");
	}
	return 0;
}

/* A host name; the first label may be "*". */
static bool is_host_name(const char *name)
{
	const char *at = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
	return *at != '\0' && at[strspn(at, "abcdefghijklmnopqrstuvwxyz"
	                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")] == '\0';
}

static int add_name(GENERAL_NAMES *names, int type, const void *bytes, size_t size)
{
	GENERAL_NAME *entry = GENERAL_NAME_new();
	ASN1_STRING *value =
	        ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
	if (entry == NULL || value == NULL || ASN1_STRING_set(value, bytes, (int)size) != 1) {
		GENERAL_NAME_free(entry);
		ASN1_STRING_free(value);
		return SK_E_CRYPTO;
	}
	GENERAL_NAME_set0_value(entry, type, value);
	if (sk_GENERAL_NAME_push(names, entry) <= 0) {
		GENERAL_NAME_free(entry);
		return SK_E_CRYPTO;
	}
	return 0;
}

/* Entry `index` of a list of the request as a text without NUL, or NULL. */
static const char *get_entry(struct json_object *list, size_t index)
{
	struct json_object *entry = json_object_array_get_idx(list, index);
	if (!json_object_is_type(entry, json_type_string)) {
		return NULL;
	}
	const char *text = json_object_get_string(entry);
	return strlen(text) == (size_t)json_object_get_string_len(entry) ? text : NULL;
}

static int add_host_names(struct job *job, GENERAL_NAMES *names, const char **ret_first)
{
	struct json_object *list;
	int status = job_get_list(job, "names", NAMES_MAX, &list);
	if (status != 0) {
		return status;
	}
	size_t count = json_object_array_length(list);
	for (size_t i = 0; i < count; i++) {
		const char *name = get_entry(list, i);
		if (name == NULL || strlen(name) > NAME_MAX_BYTES || !is_host_name(name)) {
			return error_set(&job->error, SK_E_SYNTAX, "name %zu is no host name", i);
		}
		status = add_name(names, GEN_DNS, name, strlen(name));
		if (status != 0) {
			return status;
		}
		*ret_first = i == 0 ? name : *ret_first;
	}
	return count > 0 ? 0 : error_set(&job->error, SK_E_RANGE, "\"names\" is empty");
}

static int add_addresses(struct job *job, GENERAL_NAMES *names)
{
	struct json_object *list;
	int status = job_get_list(job, "addresses", ADDRESSES_MAX, &list);
	if (status == SK_E_NOT_FOUND) {
		return 0;
	}
	size_t count = status == 0 ? json_object_array_length(list) : 0;
	for (size_t i = 0; i < count && status == 0; i++) {
		struct address address;
		const char *text = get_entry(list, i);
		if (text == NULL || address_parse(text, strlen(text), &address) != 0) {
			return error_set(&job->error, SK_E_SYNTAX, "address %zu is none", i);
		}
		status = add_name(
		        names, GEN_IPADD, address.bytes, address.family == ADDRESS_V4 ? 4 : 16);
	}
	return status;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

static bool set_serial(X509 *certificate)
{
	unsigned char bytes[SERIAL_SIZE];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
		return false;
	}
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, never short */
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool good = number != NULL &&
	            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return good;
}

static bool fill_certificate(
        X509 *certificate, EVP_PKEY *key, GENERAL_NAMES *names, const char *first, int64_t days)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	/* A longer name stands in the list of names only. */
	const char *common = strlen(first) <= COMMON_NAME_MAX ? first : "sekisho";
	return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
	               (const unsigned char *)common, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, subject) == 1 &&
	       /* From yesterday on: the clocks of clients may be behind. */
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_SECONDS) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * DAY_SECONDS) != NULL &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
	       add_extension(certificate, NID_subject_key_identifier, "hash") &&
	       X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1 &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static int write_pem(struct job *job, EVP_PKEY *key, X509 *certificate)
{
	BIO *memory = BIO_new(BIO_s_secmem());
	char *text;
	int status = SK_E_CRYPTO;
	if (memory != NULL &&
	        PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	        PEM_write_bio_X509(memory, certificate) == 1) {
		long length = BIO_get_mem_data(memory, &text);
		status = file_write_all(JOB_FD_FIRST, text, (size_t)length);
	}
	BIO_free(memory);
	return status == 0 ? 0 : error_set_code(&job->error, status, "writing the certificate");
}

int certificate_run(struct job *job)
{
	static const char *const members[] = {"names", "addresses", "days", NULL};
	const char *first = NULL;
	int64_t days = 0;
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;
	int status = names == NULL ? SK_E_CRYPTO : job_check_members(job, members);
	if (status == 0) {
		status = job_get_number(job, "days", 1, DAYS_MAX, &days);
	}
	if (status == 0) {
		status = add_host_names(job, names, &first);
	}
	if (status == 0) {
		status = add_addresses(job, names);
	}
	if (status != 0) {
		goto out;
	}
	key = EVP_EC_gen("P-256");
	certificate = X509_new();
	if (key == NULL || certificate == NULL ||
	        !fill_certificate(certificate, key, names, first, days)) {
		status = error_set(&job->error, SK_E_CRYPTO, "OpenSSL made no certificate");
		goto out;
	}
	status = write_pem(job, key, certificate);
out:
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	EVP_PKEY_free(key);
	X509_free(certificate);
	return status;
}
