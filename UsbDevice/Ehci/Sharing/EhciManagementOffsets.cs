namespace Dma.UsbDevice;

/// <summary>The registers of the management function of a shared EHCI controller, as offsets from its BAR 0. All are doublewords.</summary>
public static class EhciManagementOffsets
{
    /// <summary>Bytes in the window.</summary>
    public const int WindowLength = 4096;

    /// <summary>What <see cref="Id"/> reads as: "SEHC", the lowest byte first.</summary>
    public const uint IdValue = 0x4348_4553;

    /// <summary>ID, read-only.</summary>
    public const int Id = 0x00;

    /// <summary>COUNTS, read-only: bits 7:0 register sets, 15:8 root ports, 23:16 ports that each set shows, 31:24 how many of them, the last ones, have no bus behind them.</summary>
    public const int Counts = 0x04;

    /// <summary>ADDRCAP, read-only: bit 0 addresses are replaced, 2:1 who chooses them (<see cref="AddressAssignment"/>), 7:4 bits that a driver chooses where ranges are fixed.</summary>
    public const int AddressCapability = 0x08;

    /// <summary>STATUS: bit 0 a question waits for an answer; read-only, it falls with the last answer.</summary>
    public const int Status = 0x0C;

    /// <summary>INTR: bit 0 lets a question interrupt.</summary>
    public const int InterruptEnable = 0x10;

    /// <summary>POLICY: bits 2:0, <see cref="SharingPolicy"/>; other values change nothing.</summary>
    public const int Policy = 0x14;

    /// <summary>QUANTUM: nanoseconds of a turn in deficit round robin, 1,000 to 1,000,000.</summary>
    public const int Quantum = 0x18;

    /// <summary>NOTICE: what software is to look at next. Bit 31 there is something, 27 the device is behind a transaction translator, 26:24 what (<see cref="HeldState"/>), 22:16 the address on the bus of the device, 15:8 the register set, 6:0 the address that its driver knows. A write takes it off the list.</summary>
    public const int Notice = 0x20;

    /// <summary>ANSWER, write-only: bits 26:24 and 22:16 what was seen in <see cref="Notice"/> and the address that the driver knows, 15:8 the register set, 6:0 the answer to a question: for SET_ADDRESS the address on the bus, else 1; 0 refuses. Where something else is true by now, nothing happens. What was seen first of a device is answered first.</summary>
    public const int Answer = 0x24;

    /// <summary>ADDRZERO, read-only: bits 7:0 the register set that has address 0, FFh for none; 15:8 how many wait for it.</summary>
    public const int AddressZero = 0x28;

    /// <summary>SETUP0, read-only: bytes 3:0 of the request that <see cref="Notice"/> is about.</summary>
    public const int SetupLow = 0x2C;

    /// <summary>SETUP1, read-only: bytes 7:4 of it.</summary>
    public const int SetupHigh = 0x30;

    /// <summary>HOLD: bit 0, SET_CONFIGURATION and SET_INTERFACE wait for an answer; 0 after a reset of the function.</summary>
    public const int Hold = 0x34;

    /// <summary>FETCH, read-only: nanoseconds of its periodic time that a set is charged for a look at a structure without work.</summary>
    public const int Fetch = 0x38;

    /// <summary>CONFSEL: which configuration is read; bits 6:0 the address on the bus of the device, 15:8 bConfigurationValue, 31:16 from which byte on.</summary>
    public const int ConfigurationSelect = 0x3C;

    /// <summary>CONFLEN, read-only: bytes of the configuration, with all that belongs to it; 0 where the device did not send it since it has its address.</summary>
    public const int ConfigurationLength = 0x40;

    /// <summary>CONFDATA, read-only: four bytes of it, zeros behind its end.</summary>
    public const int ConfigurationData = 0x44;

    /// <summary>The first of the groups of registers of each set.</summary>
    public const int FirstSet = 0x100;

    /// <summary>Bytes in the group of a set.</summary>
    public const int SetStride = 0x20;

    /// <summary>BUDGET, in the group of a set: nanoseconds of periodic time in a microframe that it may use, up to 125,000.</summary>
    public const int Budget = 0x0;

    /// <summary>WEIGHT, in the group of a set: bits 7:0, 1 to 255.</summary>
    public const int Weight = 0x4;

    /// <summary>STATE, in the group of a set, read-only: bit 0 it runs, bit 1 it met a bus error.</summary>
    public const int State = 0x8;

    /// <summary>USED, in the group of a set, read-only: microseconds of bus time since power-on, lower 32 bits.</summary>
    public const int Used = 0xC;

    /// <summary>REQUESTER, in the group of a set, read-only: bits 15:0, where its function is in the PCI hierarchy.</summary>
    public const int Requester = 0x10;

    /// <summary>CUTOFFS, in the group of a set, read-only: microframes in which its budget was used up before its periodic list was, lower 32 bits.</summary>
    public const int CutOffs = 0x14;

    /// <summary>The first of the registers of root ports, PORTOWNER: bits 7:0 the set that a port belongs to, FFh for none.</summary>
    public const int FirstPort = 0x900;

    /// <summary>The first of the registers of addresses on the bus, read-only, for 0 to 127: bits 31:30 <see cref="AddressState"/>, 23:16 the root port behind which its device is, from 0 on, FFh where nobody knows, 15:8 the register set, 6:0 the address that its driver knows.</summary>
    public const int FirstAddress = 0xA00;
}
