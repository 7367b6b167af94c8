"""Updates of models and settings: signed by the maker, verified and tried on the device, taken back where they do not prove well."""
