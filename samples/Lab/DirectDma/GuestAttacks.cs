using Dma.Hal;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Attempts by processors rather than devices: VM 2 looks for the device of VM 1, and both ask the VMM for what is not theirs.</summary>
/// <param name="host">The host.</param>
/// <param name="guest">VM 1, which has the device.</param>
/// <param name="device">The device, as the host knows it.</param>
/// <param name="neighbour">VM 2, which wants it.</param>
/// <param name="live">What VM 1 has mapped for the device meanwhile, a page.</param>
/// <param name="ledger">Where attempts are written down.</param>
internal sealed class GuestAttacks(
    Host host, Guest guest, SourceId device, VirtualMachine neighbour, DmaMapping live, AttackLedger ledger)
{
    private const int PageBytes = 4096;
    private const uint HostController = 0x0C0320;

    private readonly Random _random = host.RandomFor("attacks of processors");
    private readonly IsolationWatch _watch = new(host);

    /// <summary>Makes all attempts.</summary>
    public async ValueTask Run()
    {
        AttackTargets targets = new(host, _random);
        GuestPhysicalAddress registers = new(targets.RegistersOf(device).Value);
        GuestPhysicalAddress unit = new(MemoryLayout.RemappingUnit);

        Try(neighbour, "looks for the device on its bus", device.Value, LooksForDevice);
        Try(neighbour, "reads registers of the device", registers.Value, () => ReadsAllOnes(registers));
        Try(neighbour, "resets the device by registers", registers.Value, () => WritesInVain(
            registers + (ulong)(CapabilityBytes(registers) + EhciOperationalOffsets.UsbCommand), new UsbCommand { Reset = true }.Raw.Value));
        Try(neighbour, "switches translation off", unit.Value + RegisterOffsets.GlobalCommand, () => WritesInVain(
            unit + RegisterOffsets.GlobalCommand, 0, unit + RegisterOffsets.GlobalStatus));
        Try(neighbour, "reads behind its memory", neighbour.Memory.Bytes, () => ReadsAllOnes(new(neighbour.Memory.Bytes)));
        await Ask(neighbour, "asks for its first device", 0, Hypercall.FindDevice);
        ulong page = RandomPage();
        await Ask(neighbour, "maps its memory for that device", page, Hypercall.MapDma, guest.Handle.Value, page, PageBytes, (ulong)DmaDirection.Bidirectional);
        await Ask(neighbour, "takes back a mapping of VM 1", live.DeviceAddress.Value, Hypercall.UnmapDma, guest.Handle.Value, live.DeviceAddress.Value, (ulong)live.Length);
        ulong end = guest.Machine.Memory.Bytes;
        await Ask(guest.Machine, "maps memory it does not have", end, Hypercall.MapDma, guest.Handle.Value, end - PageBytes, 2 * PageBytes, (ulong)DmaDirection.FromDevice);
    }

    private ulong RandomPage() => (ulong)_random.NextInt64((long)neighbour.Memory.Bytes / PageBytes) * PageBytes;

    // Where the operational registers begin, as the host can see and the neighbour might know.
    private int CapabilityBytes(GuestPhysicalAddress registers) =>
        (byte)host.Bus.Load(new(registers.Value + EhciCapabilityOffsets.Length), 1);

    private (bool, string) LooksForDevice()
    {
        IReadOnlyList<PciFunctionInfo> functions = PciScan.Enumerate(new PciConfigurationPorts(neighbour.Cpu));
        bool isFound = functions.Any(function => function.ClassCode == HostController);
        return (!isFound, $"{functions.Count} functions found");
    }

    private (bool, string) ReadsAllOnes(GuestPhysicalAddress address)
    {
        ulong value = neighbour.Cpu.Load(address, 4);
        return (value == uint.MaxValue, value == uint.MaxValue ? "all ones: nobody answers" : $"{value:X8}h");
    }

    private (bool, string) WritesInVain(GuestPhysicalAddress register, uint value, GuestPhysicalAddress? seenAt = null)
    {
        PhysicalAddress seen = new((seenAt ?? register).Value);
        ulong before = host.Bus.Load(seen, 4);
        neighbour.Cpu.Store(register, 4, value);
        return (host.Bus.Load(seen, 4) == before, host.Bus.Load(seen, 4) == before ? "lost, the register is unchanged" : "the register changed");
    }

    private void Try(VirtualMachine attacker, string what, ulong address, Func<(bool IsBlocked, string Outcome)> attack)
    {
        _watch.Begin(attacker, []);
        (bool isBlocked, string outcome) = attack();
        ulong changed = _watch.End();
        ledger.Add(attacker.Name, what, address, outcome, isBlocked && changed == 0, changed);
    }

    // A call that is refused must leave everything as it was, the tables of the VMM included.
    private async ValueTask Ask(VirtualMachine attacker, string what, ulong address, Hypercall call, params ulong[] arguments)
    {
        ulong Argument(int index) => index < arguments.Length ? arguments[index] : 0;

        _watch.Begin(attacker, []);
        HypercallResult result = await attacker.Cpu.Call(call, Argument(0), Argument(1), Argument(2), Argument(3));
        ulong changed = _watch.End();
        bool isBlocked = result.Refusal != DmaRefusal.None && changed == 0;
        ledger.Add(attacker.Name, what, address, isBlocked ? $"refused: {result.Refusal}" : "granted", isBlocked, changed);
    }
}
