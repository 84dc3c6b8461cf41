"""Presidio's pattern recognizers by entity, so that a policy is checked without loading Presidio.

`recognizer` is the class in `presidio_analyzer.predefined_recognizers`; `best` the highest score
that it gives without an NLP engine (1.0 where it validates a checksum). Taken from
presidio-analyzer 2.2.366; a test compares the table with the version that is installed.
"""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """Who finds an entity, and with which score at best."""

    recognizer: str
    best: float


ENTITIES: dict[str, Known] = {
    "ABA_ROUTING_NUMBER": Known("AbaRoutingRecognizer", 1.0),
    "AU_ABN": Known("AuAbnRecognizer", 1.0),
    "AU_ACN": Known("AuAcnRecognizer", 1.0),
    "AU_MEDICARE": Known("AuMedicareRecognizer", 1.0),
    "AU_TFN": Known("AuTfnRecognizer", 1.0),
    "CA_POSTAL_CODE": Known("CaPostalCodeRecognizer", 0.3),
    "CA_SIN": Known("CaSinRecognizer", 0.5),
    "CREDIT_CARD": Known("CreditCardRecognizer", 1.0),
    "CRYPTO": Known("CryptoRecognizer", 1.0),
    "DATE_TIME": Known("DateRecognizer", 0.8),
    "DE_BSNR": Known("DeBsnrRecognizer", 1.0),
    "DE_FUEHRERSCHEIN": Known("DeFuehrerscheinRecognizer", 0.35),
    "DE_HANDELSREGISTER": Known("DeHandelsregisterRecognizer", 0.5),
    "DE_HEALTH_INSURANCE": Known("DeHealthInsuranceRecognizer", 1.0),
    "DE_ID_CARD": Known("DeIdCardRecognizer", 1.0),
    "DE_KFZ": Known("DeKfzRecognizer", 0.3),
    "DE_LANR": Known("DeLanrRecognizer", 1.0),
    "DE_PASSPORT": Known("DePassportRecognizer", 1.0),
    "DE_PLZ": Known("DePlzRecognizer", 0.05),
    "DE_SOCIAL_SECURITY": Known("DeSocialSecurityRecognizer", 1.0),
    "DE_TAX_ID": Known("DeTaxIdRecognizer", 1.0),
    "DE_TAX_NUMBER": Known("DeTaxNumberRecognizer", 0.5),
    "DE_VAT_ID": Known("DeVatIdRecognizer", 1.0),
    "EMAIL_ADDRESS": Known("EmailRecognizer", 1.0),
    "ES_NIE": Known("EsNieRecognizer", 1.0),
    "ES_NIF": Known("EsNifRecognizer", 1.0),
    "ES_PASSPORT": Known("EsPassportRecognizer", 0.05),
    "FI_PERSONAL_IDENTITY_CODE": Known("FiPersonalIdentityCodeRecognizer", 1.0),
    "IBAN_CODE": Known("IbanRecognizer", 1.0),
    "IN_AADHAAR": Known("InAadhaarRecognizer", 1.0),
    "IN_GSTIN": Known("InGstinRecognizer", 1.0),
    "IN_PAN": Known("InPanRecognizer", 0.5),
    "IN_PASSPORT": Known("InPassportRecognizer", 0.1),
    "IN_VEHICLE_REGISTRATION": Known("InVehicleRegistrationRecognizer", 1.0),
    "IN_VOTER": Known("InVoterRecognizer", 0.4),
    "IP_ADDRESS": Known("IpRecognizer", 0.6),
    "IT_DRIVER_LICENSE": Known("ItDriverLicenseRecognizer", 0.2),
    "IT_FISCAL_CODE": Known("ItFiscalCodeRecognizer", 1.0),
    "IT_IDENTITY_CARD": Known("ItIdentityCardRecognizer", 0.01),
    "IT_PASSPORT": Known("ItPassportRecognizer", 0.01),
    "IT_VAT_CODE": Known("ItVatCodeRecognizer", 1.0),
    "KR_BRN": Known("KrBrnRecognizer", 1.0),
    "KR_DRIVER_LICENSE": Known("KrDriverLicenseRecognizer", 1.0),
    "KR_FRN": Known("KrFrnRecognizer", 1.0),
    "KR_PASSPORT": Known("KrPassportRecognizer", 0.1),
    "KR_RRN": Known("KrRrnRecognizer", 1.0),
    "MAC_ADDRESS": Known("MacAddressRecognizer", 0.6),
    "MEDICAL_LICENSE": Known("MedicalLicenseRecognizer", 1.0),
    "NG_NIN": Known("NgNinRecognizer", 1.0),
    "NG_VEHICLE_REGISTRATION": Known("NgVehicleRegistrationRecognizer", 0.5),
    "PHONE_NUMBER": Known("PhoneRecognizer", 0.4),
    "PH_PASSPORT": Known("PhPassportRecognizer", 0.1),
    "PH_TIN": Known("PhTinRecognizer", 0.05),
    "PH_UMID": Known("PhUmidRecognizer", 0.5),
    "PL_PESEL": Known("PlPeselRecognizer", 1.0),
    "SE_ORGANISATIONSNUMMER": Known("SeOrganisationsnummerRecognizer", 1.0),
    "SE_PERSONNUMMER": Known("SePersonnummerRecognizer", 1.0),
    "SG_NRIC_FIN": Known("SgFinRecognizer", 0.5),
    "SG_UEN": Known("SgUenRecognizer", 1.0),
    "TH_TNIN": Known("ThTninRecognizer", 1.0),
    "TR_LICENSE_PLATE": Known("TrLicensePlateRecognizer", 1.0),
    "TR_NATIONAL_ID": Known("TrNationalIdRecognizer", 1.0),
    "UK_DRIVING_LICENCE": Known("UkDrivingLicenceRecognizer", 1.0),
    "UK_NHS": Known("NhsRecognizer", 1.0),
    "UK_NINO": Known("UkNinoRecognizer", 0.5),
    "UK_PASSPORT": Known("UkPassportRecognizer", 0.1),
    "UK_POSTCODE": Known("UkPostcodeRecognizer", 0.1),
    "UK_VEHICLE_REGISTRATION": Known("UkVehicleRegistrationRecognizer", 1.0),
    "URL": Known("UrlRecognizer", 0.6),
    "US_BANK_NUMBER": Known("UsBankRecognizer", 0.05),
    "US_CLAIM_NUMBER": Known("UsClaimNumberRecognizer", 0.35),
    "US_DRIVER_LICENSE": Known("UsLicenseRecognizer", 0.3),
    "US_HEALTH_INSURANCE_MEMBER_ID": Known("UsHealthInsuranceMemberIdRecognizer", 0.1),
    "US_ITIN": Known("UsItinRecognizer", 0.5),
    "US_MBI": Known("UsMbiRecognizer", 0.5),
    "US_NPI": Known("UsNpiRecognizer", 1.0),
    "US_PASSPORT": Known("UsPassportRecognizer", 0.1),
    "US_PRESCRIPTION_NUMBER": Known("UsPrescriptionNumberRecognizer", 0.6),
    "US_PRIOR_AUTHORIZATION_NUMBER": Known("UsPriorAuthorizationNumberRecognizer", 0.35),
    "US_PROVIDER_TAX_ID": Known("UsProviderTaxIdRecognizer", 0.35),
    "US_REFERRAL_NUMBER": Known("UsReferralNumberRecognizer", 0.35),
    "US_SSN": Known("UsSsnRecognizer", 0.5),
    "UUID": Known("UuidRecognizer", 0.5),
    "ZA_COMPANY_REGISTRATION": Known("ZaCompanyRegistrationRecognizer", 1.0),
    "ZA_DRIVER_LICENSE": Known("ZaDriverLicenseRecognizer", 1.0),
    "ZA_ID_NUMBER": Known("ZaIdNumberRecognizer", 1.0),
    "ZA_INCOME_TAX_NUMBER": Known("ZaIncomeTaxNumberRecognizer", 1.0),
    "ZA_LICENSE_PLATE": Known("ZaLicensePlateRecognizer", 1.0),
    "ZA_MOBILE_NUMBER": Known("ZaMobileNumberRecognizer", 0.4),
    "ZA_PASSPORT": Known("ZaPassportRecognizer", 1.0),
    "ZA_TELEPHONE_NUMBER": Known("ZaTelephoneNumberRecognizer", 0.4),
    "ZA_TRAFFIC_REGISTER_NUMBER": Known("ZaTrafficRegisterNumberRecognizer", 1.0),
    "ZA_VAT_NUMBER": Known("ZaVatNumberRecognizer", 1.0),
}
"""Entity -> who finds it."""

NAMES: dict[str, str] = {
    "ABA_ROUTING_NUMBER": "a bank routing number",
    "CREDIT_CARD": "a credit card number",
    "CRYPTO": "a crypto wallet address",
    "DATE_TIME": "a date",
    "EMAIL_ADDRESS": "an email address",
    "IBAN_CODE": "an IBAN",
    "IP_ADDRESS": "an IP address",
    "MAC_ADDRESS": "a MAC address",
    "MEDICAL_LICENSE": "a medical licence number",
    "PHONE_NUMBER": "a phone number",
    "URL": "a web address",
    "US_BANK_NUMBER": "a US bank account number",
    "US_DRIVER_LICENSE": "a US driver's licence number",
    "US_ITIN": "a US taxpayer number",
    "US_PASSPORT": "a US passport number",
    "US_SSN": "a US social security number",
    "UK_NHS": "an NHS number",
    "UK_NINO": "a UK national insurance number",
    "UUID": "a UUID",
}
"""Entity -> what people call it, with its article."""

NAMED = {
    "LOCATION": "a place",
    "NRP": "a nationality or group",
    "ORGANIZATION": "an organisation",
    "PERSON": "a person",
}
"""The same for what models find (`ner`)."""


def name_of(entity: str) -> str:
    """What to call an entity in a message to a person."""
    known = NAMES.get(entity)
    if known is not None:
        return known
    if entity in NAMED:
        return NAMED[entity]
    if entity not in ENTITIES:  # an operator's own
        article = "an" if entity[0] in "AEIOU" else "a"
        return f"{article} {entity.replace('_', ' ').lower()}"
    country, _, rest = entity.partition("_")
    article = "an" if country[0] in "AEFINS" else "a"  # as the letter is spoken
    return f"{article} {country} {rest.replace('_', ' ').lower()} number"
