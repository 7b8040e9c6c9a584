"""The dual-write maps that there are; which are enabled is a setting."""

from typing import Final

FNO_TO_IOM: Final = "salesorders.fno-to-iom"
IOM_TO_FNO: Final = "salesorders.iom-to-fno"
MAPS: Final = (FNO_TO_IOM, IOM_TO_FNO)
