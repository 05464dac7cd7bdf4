"""What the migrate function carries with it; what it does is shown on a database (tests/database)."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.x509 import Certificate, NameOID, load_pem_x509_certificates

from tests.fixtures.functions import FUNCTIONS
from tests.fixtures.template import ROOT

MIGRATE = FUNCTIONS / "migrate"
COMMON_REGIONS = ("ap-southeast-2", "eu-central-1", "eu-west-1", "us-east-1")


def authorities() -> dict[str, Certificate]:
    certificates = load_pem_x509_certificates((MIGRATE / "rds-ca.pem").read_bytes())
    return {str(c.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value): c for c in certificates}


def test_it_trusts_databases_of_every_common_region_and_nobody_else() -> None:
    names = authorities().keys()

    assert all(name.startswith("Amazon RDS ") for name in names)
    assert {f"Amazon RDS {region} Root CA RSA2048 G1" for region in COMMON_REGIONS} <= names


def test_every_authority_speaks_for_itself_and_has_not_expired() -> None:
    for certificate in authorities().values():
        certificate.verify_directly_issued_by(certificate)
        assert certificate.not_valid_after_utc > datetime.now(UTC)


def test_it_finds_the_schema_beside_itself() -> None:
    assert (MIGRATE / "schema").resolve() == ROOT / "schema"
