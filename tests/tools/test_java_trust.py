"""What lets Java reach what Python reaches."""

import subprocess
from pathlib import Path

import pytest

from devise_lib.spark.platform.find_java import find_java
from tools.java_trust import java_options, proxy_options, trust_options, trust_store


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({}, []),
        ({"no_proxy": "localhost"}, []),
        (
            {"HTTPS_PROXY": "http://proxy.example:3128"},
            ["-Dhttps.proxyHost=proxy.example", "-Dhttps.proxyPort=3128"],
        ),
        ({"https_proxy": "proxy.example"}, ["-Dhttps.proxyHost=proxy.example"]),
        (
            {"http_proxy": "http://user:secret@p:80", "NO_PROXY": "localhost, .example.org"},
            [
                "-Dhttp.proxyHost=p",
                "-Dhttp.proxyPort=80",
                "-Dhttp.nonProxyHosts=localhost|*.example.org",
            ],
        ),
    ],
)
def test_gives_java_the_proxies_of_the_environment(environ, options):
    assert proxy_options(environ) == options


# A certificate of no one, made for this test: CN=test.invalid, valid until 2125.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBhDCCASugAwIBAgIUDH2XH+RKNgKifYej90zTsBkxA2QwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMdGVzdC5pbnZhbGlkMCAXDTI2MTEyMTA2MzM0NloYDzIxMjYx
MDI4MDYzMzQ2WjAXMRUwEwYDVQQDDAx0ZXN0LmludmFsaWQwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAS95RC2YXA5vPb80Kl5HS0+AsH4OEQZSM+fzKtGjiScOFBb
S3UjMIUTBJT2ob0sH9TtY/x6JkGaf58Yy5Q6HvSyo1MwUTAdBgNVHQ4EFgQUFrzZ
RVYv8dCouFaDyc5uu1ujUdgwHwYDVR0jBBgwFoAUFrzZRVYv8dCouFaDyc5uu1uj
UdgwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBSyqAIdMYCi5i8
Ee7twKT4GM/T7XLExU22gbeUxkKE3wIgTMlu4REoHs2FqSVyI1V4p8jp8D+pdQkz
lq92ccqGlEE=
-----END CERTIFICATE-----
"""
FINGERPRINT = (
    "6D:1F:48:71:88:C2:B9:5D:83:79:29:23:9D:B4:A4:06:"
    "40:11:E4:FD:1E:5C:29:DE:B3:6D:4F:3C:AA:AC:97:7B"
)


def listed(store: Path) -> list[str]:
    """The fingerprints of a key store, as Java itself reads them."""
    keytool = find_java() / "bin" / "keytool"
    command = [keytool, "-list", "-keystore", store, "-storepass", "changeit"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split()[-1] for line in done.stdout.splitlines() if "SHA-256" in line]


def test_java_reads_every_certificate_of_the_store(tmp_path):
    store = tmp_path / "store.jks"
    store.write_bytes(trust_store(f"# a comment\n{CERTIFICATE}\n# another\n{CERTIFICATE}"))
    assert listed(store) == [FINGERPRINT, FINGERPRINT]


def test_java_refuses_a_store_that_was_changed(tmp_path):
    store = tmp_path / "store.jks"
    whole = trust_store(CERTIFICATE)
    store.write_bytes(whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:])
    with pytest.raises(subprocess.CalledProcessError):
        listed(store)


@pytest.mark.parametrize("variable", ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_java_trusts_the_certificates_that_the_environment_names(tmp_path, variable):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(CERTIFICATE)
    store = tmp_path / "store.jks"
    options = trust_options({variable: str(bundle)}, store)
    assert options[0] == f"-Djavax.net.ssl.trustStore={store}"
    assert listed(store) == [FINGERPRINT]


@pytest.mark.parametrize("environ", [{}, {"PIP_CERT": ""}, {"SSL_CERT_FILE": "/none.pem"}])
def test_java_keeps_its_own_certificates_where_none_are_named(tmp_path, environ):
    assert trust_options(environ, tmp_path / "store.jks") == []
    assert not (tmp_path / "store.jks").exists()


def test_the_options_are_proxies_and_certificates(tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(CERTIFICATE)
    environ = {"HTTPS_PROXY": "http://p:1", "PIP_CERT": str(bundle)}
    options = java_options(environ, tmp_path / "store.jks")
    assert [option.split("=")[0] for option in options] == [
        "-Dhttps.proxyHost",
        "-Dhttps.proxyPort",
        "-Djavax.net.ssl.trustStore",
        "-Djavax.net.ssl.trustStorePassword",
    ]
