using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of a real xHCI controller whose root ports have gates, in the hands of the VMM.</summary>
internal sealed class GatedXhci : ITurnHardware
{
    private const int ReleaseNumber = 0x60;
    private const uint WritableAtReleaseNumber = 0x3F00;
    private const ulong ModerationUnitNs = 250;
    private const ulong ResetNsMax = 250_000_000;
    private const ulong SaveNsMax = 20_000_000;

    // How long a controller may take to halt (xHCI, run/stop).
    private const ulong HaltNsMax = 16_000_000;

    private readonly RealFunction _function;

    private GatedXhci(RealFunction function)
    {
        _function = function;
        OperationalBase = (byte)this[XhciCapabilityOffsets.Length];
        RuntimeBase = (int)(this[XhciCapabilityOffsets.RuntimeOffset] & ~0x1Fu);
        DoorbellBase = (int)(this[XhciCapabilityOffsets.DoorbellOffset] & ~0x3u);
        Structure = new(new(this[XhciCapabilityOffsets.StructuralParameters1]));
        ScratchpadPages = new XhciStructuralParameters2(new(this[XhciCapabilityOffsets.StructuralParameters2])).ScratchpadCount;
        Capabilities = new(new(this[XhciCapabilityOffsets.CapabilityParameters1]));
    }

    /// <summary>CAPLENGTH: where the operational registers begin.</summary>
    public int OperationalBase { get; }

    /// <summary>RTSOFF: where the runtime registers begin.</summary>
    public int RuntimeBase { get; }

    /// <summary>DBOFF: where the doorbells begin.</summary>
    public int DoorbellBase { get; }

    /// <summary>HCSPARAMS1.</summary>
    public XhciStructuralParameters1 Structure { get; }

    /// <summary>HCCPARAMS1.</summary>
    public XhciCapabilityParameters1 Capabilities { get; }

    /// <summary>Bytes behind BAR 0.</summary>
    public int WindowLength => (int)_function.Bars[0].Length;

    /// <inheritdoc/>
    public bool IsGone => (byte)this[XhciCapabilityOffsets.Length] == byte.MaxValue;

    /// <inheritdoc/>
    public int PortCount => Structure.PortCount;

    /// <inheritdoc/>
    public int ScratchpadPages { get; }

    /// <inheritdoc/>
    public int Registers => 7 + (5 * Structure.InterrupterCount);

    /// <inheritdoc/>
    public int StateBytes => XhciState.FrontSize + (XhciState.Interrupter.Size * Structure.InterrupterCount);

    /// <inheritdoc/>
    public (ulong Offset, uint Value) ResetCommand =>
        ((ulong)(OperationalBase + XhciOperationalOffsets.Command), new XhciCommand { Reset = true }.Raw.Value);

    /// <inheritdoc/>
    public IReadOnlyList<Register> ConfigurationRegisters =>
        [new(ReleaseNumber, 2, "SBRN", new(_function.Space.Read16(ReleaseNumber), Writable: WritableAtReleaseNumber))];

    /// <summary>USBCMD.</summary>
    public XhciCommand Command
    {
        get => new(new(this[OperationalBase + XhciOperationalOffsets.Command]));
        set => this[OperationalBase + XhciOperationalOffsets.Command] = value.Raw.Value;
    }

    /// <summary>USBSTS.</summary>
    public XhciStatus Status
    {
        get => new(new(this[OperationalBase + XhciOperationalOffsets.Status]));
        set => this[OperationalBase + XhciOperationalOffsets.Status] = value.Raw.Value;
    }

    /// <inheritdoc/>
    public uint Gates
    {
        get => ReadGate(XhciGateOffsets.Gate);
        set => WriteGate(XhciGateOffsets.Gate, value);
    }

    /// <summary>Behind whose closed gates a change came.</summary>
    public uint Changed => ReadGate(XhciGateOffsets.Changed);

    /// <summary>Behind whose closed gates something waits that will be work: a change, or a device that is ready again.</summary>
    public uint Waiting => Changed | ReadGate(XhciGateOffsets.Ready);

    /// <summary>Whether anything waits for its end, running or halted.</summary>
    public bool HasWork => ReadGate(XhciGateOffsets.Busy) != 0;

    /// <inheritdoc/>
    public bool IsBusy => !Status.Halted && HasWork;

    /// <summary>A doubleword behind BAR 0.</summary>
    public uint this[int offset]
    {
        get => (uint)Read((ulong)offset, sizeof(uint));
        set => Write((ulong)offset, sizeof(uint), value);
    }

    /// <summary>Looks at a function.</summary>
    /// <returns><c>null</c> where it is no xHCI controller with port gates that saves its state into as many pages as a region has, or firmware owns it.</returns>
    public static GatedXhci? TryOpen(RealFunction function)
    {
        if (function.Identity.ClassCode != 0x0C0330 || function.Bars.Count != 2
            || function.ReadBar(XhciGateOffsets.Bar, XhciGateOffsets.Id, sizeof(uint)) != XhciGateOffsets.IdValue)
            return null;
        GatedXhci hardware = new(function);
        int legacy = hardware.Capabilities.ExtendedCapabilities * sizeof(uint);
        if (new XhciLegacySupport(new(hardware[legacy])) is { Id: XhciExtendedId.LegacySupport, FirmwareOwned: true })
            return null;
        return hardware.ScratchpadPages is > 0 and <= StateRegion.ScratchpadPagesMax && hardware.Structure.InterrupterCount <= XhciState.InterruptersMax
            ? hardware
            : null;
    }

    /// <summary>An access behind BAR 0.</summary>
    public ulong Read(ulong offset, int width) => _function.ReadBar(0, offset, width);

    /// <inheritdoc cref="Read"/>
    public void Write(ulong offset, int width, ulong value) => _function.WriteBar(0, offset, width, value);

    /// <summary>Where the registers of an interrupter begin.</summary>
    public int InterrupterAt(int index) => RuntimeBase + XhciRuntimeOffsets.FirstInterrupter + (index * XhciRuntimeOffsets.InterrupterStride);

    /// <summary>Whether an access touches registers of the host, which no guest gets.</summary>
    public bool IsHosts(ulong offset, int width) =>
        _function.HostRegisters.Any(part => part.Bar == 0 && part.First < offset + (ulong)width && offset < part.First + part.Length);

    /// <inheritdoc/>
    public ITurnImage CreateImage(EventLoop loop, uint ports, StateRegion region, Action interrupt) => new XhciImage(this, loop, ports, region);

    /// <summary>R/S off: what is on the wires ends, and nothing else begins. Then the intervals of moderation pass, and all has been reported.</summary>
    /// <inheritdoc/>
    public async ValueTask<bool> Quiesce(TurnPace pace, ulong timeoutNs)
    {
        Command = Command with { Run = false };
        pace.Charge(Cost.RegisterAccess, Registers);
        if (!await pace.Until(timeoutNs, () => Status is { Halted: true, Saving: false, Restoring: false }))
            return false;
        int left = 0;
        for (int index = 0; Command.InterruptEnable && index < Structure.InterrupterCount; index++)
            left = Math.Max(left, new InterrupterModeration(new(this[InterrupterAt(index) + XhciRuntimeOffsets.Moderation])).Counter);
        await pace.Delay(Math.Min((ulong)left * ModerationUnitNs, timeoutNs));
        return true;
    }

    /// <summary>Lets the controller, which is halted, save its state into the pages of a region, or take it back.</summary>
    /// <returns><c>false</c> where it says that it could not, or does not answer.</returns>
    public async ValueTask<bool> Move(TurnPace pace, bool saves)
    {
        WriteWide(OperationalBase + XhciOperationalOffsets.ContextArray, StateRegion.ContextArray);
        Status = new() { SaveRestoreError = true };
        Command = Command with { SaveState = saves, RestoreState = !saves };
        return await pace.Until(SaveNsMax, () => Status is { Saving: false, Restoring: false }) && Status is { SaveRestoreError: false, HostSystemError: false };
    }

    /// <summary>A reset while it runs is undefined: it halts first, or the reset is what stops it.</summary>
    /// <inheritdoc/>
    public async ValueTask<bool> Reset(TurnPace pace)
    {
        Command = Command with { Run = false };
        _ = await pace.Until(HaltNsMax, () => Status.Halted || IsGone);
        Command = new() { Reset = true };
        return await pace.Until(ResetNsMax, () => !Command.Reset || IsGone) && !IsGone && Status is { Halted: true, NotReady: false };
    }

    /// <summary>Writes a quadword.</summary>
    public void WriteWide(int offset, ulong value) => Write((ulong)offset, sizeof(ulong), value);

    /// <summary>Forgets changes behind closed gates.</summary>
    public void ForgetChanges(uint ports) => WriteGate(XhciGateOffsets.Changed, ports);

    /// <summary>Changes count as new when the gates open.</summary>
    public void ReportChanges(uint ports) => WriteGate(XhciGateOffsets.Report, ports);

    /// <summary>Sets MFINDEX of the controller, which is halted.</summary>
    /// <param name="index">The index.</param>
    /// <param name="wraps">How often it began anew that its driver has not been told of.</param>
    public void SetIndex(uint index, ulong wraps) => WriteGate(XhciGateOffsets.Index, index | ((uint)Math.Min(wraps, ushort.MaxValue) << 16));

    /// <inheritdoc/>
    public void ResetPorts(uint ports) => WriteGate(XhciGateOffsets.Reset, ports);

    /// <summary>A register of a root port, with its gate open or closed.</summary>
    /// <param name="index">The port, from 0 on.</param>
    /// <param name="register">From PORTSC on.</param>
    public uint Port(int index, int register) => ReadGate(PortAt(index, register));

    /// <summary>Writes a register of a root port, with its gate open or closed.</summary>
    public void WritePort(int index, int register, uint value) => WriteGate(PortAt(index, register), value);

    private static int PortAt(int index, int register) => XhciGateOffsets.FirstPort + (XhciGateOffsets.PortStride * index) + register;

    private uint ReadGate(int offset) => (uint)_function.ReadBar(XhciGateOffsets.Bar, (ulong)offset, sizeof(uint));

    private void WriteGate(int offset, uint value) => _function.WriteBar(XhciGateOffsets.Bar, (ulong)offset, sizeof(uint), value);
}
