using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of a real EHCI controller whose root ports have gates, in the hands of the VMM.</summary>
internal sealed class GatedEhci : EhciHardware, ITurnHardware
{
    private const int PortBytes = 4;
    private const int ReleaseNumber = 0x60;
    private const uint WritableAtReleaseNumber = 0xFFFF_3F00;

    // How long a controller may take to halt (EHCI, run/stop), and to end its reset.
    private const ulong HaltNsMax = 16 * WireTime.MicroframeNs;
    private const ulong ResetNsMax = 250_000_000;

    // The longest interrupt threshold that there is, in microframes; other values are undefined (EHCI, USB command register).
    private const int ThresholdMax = 64;

    private GatedEhci(RealFunction function)
        : base(function)
    {
    }

    /// <summary>Bytes behind BAR 0.</summary>
    public int WindowLength => (int)Function.Bars[0].Length;

    /// <inheritdoc/>
    public int PortCount => Structure.PortCount;

    /// <inheritdoc/>
    public int Registers => 10;

    /// <inheritdoc/>
    public int StateBytes => EhciState.Size;

    /// <inheritdoc/>
    public int ScratchpadPages => 0;

    /// <inheritdoc/>
    public (ulong Offset, uint Value) ResetCommand =>
        ((ulong)(OperationalBase + EhciOperationalOffsets.UsbCommand), new UsbCommand { Reset = true }.Raw.Value);

    /// <inheritdoc/>
    public IReadOnlyList<Register> ConfigurationRegisters
    {
        get
        {
            List<Register> registers = [new(ReleaseNumber, 4, "SBRN", new(Function.Space.Read32(ReleaseNumber), Writable: WritableAtReleaseNumber))];
            if (Capabilities.ExtendedCapabilities is var legacy and >= PciOffset.AfterHeader)
            {
                // The VMM is the firmware of the guest, and owns nothing of it.
                LegacySupport support = new() { CapabilityId = 1 };
                LegacySupport writable = new() { SystemOwned = true };
                registers.Add(new(legacy, 4, "USBLEGSUP", new(support.Raw.Value, writable.Raw.Value)));
                registers.Add(new(legacy + 4, 4, "USBLEGCTLSTS", new(0)));
            }

            return registers;
        }
    }

    /// <summary>Whether the VM that has it has work.</summary>
    /// <remarks>
    /// A periodic schedule always may have work; the asynchronous one tells by its reclamation bit, in the middle of a microframe. Short
    /// transfers are over by then, and show by their interrupts.
    /// </remarks>
    public bool IsBusy
    {
        get
        {
            UsbCommand command = Command;
            UsbStatus status = Status;
            return !status.Halted && (command.PeriodicEnable || command.AsyncAdvanceDoorbell || status.PeriodicActive
                || (command.AsyncEnable && (status.Reclamation || !status.AsyncActive)));
        }
    }

    /// <inheritdoc/>
    public uint Gates
    {
        get => ReadGate(PortGateOffsets.Gate);
        set => WriteGate(PortGateOffsets.Gate, value);
    }

    /// <summary>Behind whose closed gates a change came.</summary>
    public uint Changed => ReadGate(PortGateOffsets.Changed);

    /// <summary>Looks at a function.</summary>
    /// <returns><c>null</c> where it is no EHCI controller with port gates.</returns>
    public static GatedEhci? TryOpen(RealFunction function) =>
        IsController(function) && function.Bars.Count == 2
            && function.ReadBar(PortGateOffsets.Bar, PortGateOffsets.Id, sizeof(uint)) == PortGateOffsets.IdValue
            ? new(function)
            : null;

    /// <summary>An access of the guest that has the controller.</summary>
    public ulong Read(ulong offset, int width) => Function.ReadBar(0, offset, width);

    /// <inheritdoc cref="Read"/>
    public void Write(ulong offset, int width, ulong value) => Function.WriteBar(0, offset, width, value);

    /// <summary>Forgets changes behind closed gates.</summary>
    public void ForgetChanges(uint ports) => WriteGate(PortGateOffsets.Changed, ports);

    /// <inheritdoc/>
    public ITurnImage CreateImage(EventLoop loop, uint ports, StateRegion region, Action interrupt) => new EhciImage(this, loop, ports, region, interrupt);

    /// <summary>PSE and ASE off, RS stays on: frames go on. Then the interrupt threshold passes, and all has been reported.</summary>
    /// <inheritdoc/>
    public async ValueTask<bool> Quiesce(TurnPace pace, ulong timeoutNs)
    {
        UsbCommand command = Command;
        Command = command with { PeriodicEnable = false, AsyncEnable = false };
        pace.Charge(Cost.RegisterAccess, Registers);
        if (!await pace.Until(timeoutNs, () => Status is { Halted: true } or { AsyncActive: false, PeriodicActive: false }, WireTime.MicroframeNs))
            return false;
        if (!Status.Halted)
            await pace.Delay((ulong)Math.Clamp(command.InterruptThreshold, 1, ThresholdMax) * WireTime.MicroframeNs);
        return true;
    }

    /// <summary>A reset while it runs is undefined: it halts first, or the reset is what stops it.</summary>
    /// <inheritdoc/>
    public async ValueTask<bool> Reset(TurnPace pace)
    {
        Command = Command with { Run = false };
        _ = await pace.Until(HaltNsMax, () => Status.Halted || IsGone);
        Command = new() { Reset = true };
        return await pace.Until(ResetNsMax, () => !Command.Reset || IsGone)
            && !IsGone && Status is { Halted: true, AsyncActive: false, PeriodicActive: false };
    }

    /// <inheritdoc/>
    public void ResetPorts(uint ports) => WriteGate(PortGateOffsets.Reset, ports);

    /// <summary>PORTSC of a port, with its gate open or closed.</summary>
    /// <param name="index">From 0 on.</param>
    public PortStatusControl Port(int index) => new(new(ReadGate(PortGateOffsets.FirstPort + (PortBytes * index))));

    /// <summary>Writes PORTSC of a port, with its gate open or closed.</summary>
    public void WritePort(int index, uint value) => WriteGate(PortGateOffsets.FirstPort + (PortBytes * index), value);

    private uint ReadGate(int offset) => (uint)Function.ReadBar(PortGateOffsets.Bar, (ulong)offset, sizeof(uint));

    private void WriteGate(int offset, uint value) => Function.WriteBar(PortGateOffsets.Bar, (ulong)offset, sizeof(uint), value);
}
