using Dma.Devices;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The machine of a recorded case: memory, the unit, and the devices that move data at the script's command.</summary>
internal sealed class ReplayMachine : IDisposable, IRemappingObserver
{
    // The registers of the device, and the bits of its command.
    private const ulong DmaSource = 0x80;
    private const ulong DmaDestination = 0x88;
    private const ulong DmaCount = 0x90;
    private const ulong DmaCommand = 0x98;
    private const ulong Start = 1;
    private const ulong FromDevice = 2;

    private readonly ScriptedMachine _machine;
    private readonly RequestLog _requests;
    private readonly Dictionary<string, ulong> _registers = [];
    private readonly List<(RecordedFault Fault, bool Suppressed)> _faults = [];
    private readonly int _faultRecord;

    /// <summary>A machine that was just switched on.</summary>
    /// <param name="recorded">The case.</param>
    /// <param name="ramBytes">Bytes of memory from address 0 on.</param>
    public ReplayMachine(RecordedCase recorded, ulong ramBytes)
    {
        RequestLog? requests = null;
        Dictionary<string, SourceId> places = Places(recorded.Devices);
        Dictionary<SourceId, SourceId> requesters = recorded.Devices.ToDictionary(device => places[device.Key], device => device.Value.Source);
        _machine = new(new() { Profile = recorded.Hardware, RamBytes = ramBytes, Watch = fabric => requests = new(fabric, requesters) });
        _requests = requests!;
        _machine.Unit.Observer = this;
        _faultRecord = RegisterOffsets.FaultRecord(recorded.Hardware.Capabilities, 0);
        foreach ((string name, RecordedDevice device) in recorded.Devices)
        {
            EduOptions options = new() { DmaMask = device.AddressMask, TransferNs = 0 };
            _ = _machine.Plug(new EduDevice(_machine.Loop, options), places[name].Device, places[name].Function);
        }

        // What the recorder's machine sends to a TLB in a device, whether there is one or not, counts as completed.
        if (recorded.Hardware.ExtendedCapabilities.DeviceTlb)
        {
            PromptDeviceTlb prompt = new();
            for (int source = 0; source <= ushort.MaxValue; source++)
                _machine.Unit.Connect(new((ushort)source), prompt);
        }

        _machine.PlaceBars();
        foreach ((string name, SourceId place) in places)
            _registers[name] = _machine.Pci.ReadConfiguration(place, PciOffset.Bar0, 4) & ~0xFul;
    }

    /// <summary>Its memory.</summary>
    public PhysicalMemory Memory => _machine.Memory;

    /// <inheritdoc/>
    public void Dispose() => _machine.Dispose();

    /// <inheritdoc/>
    void IRemappingObserver.FaultDetected(in RemappingFault fault, FaultDisposition disposition)
    {
        // On a unit that has no name for it, what is no interrupt goes astray in the interrupt range without a fault.
        if (fault.Reason == FaultReason.InterruptRangeRequest && !_machine.Unit.Profile.ReportsInterruptRangeRequests)
            return;
        ulong place = fault.InterruptIndex is { } index ? (ulong)index << 48 : fault.Address.Value & ~0xFFFul;
        RecordedFault told = new(fault.Source, (int)fault.Reason, place, fault.Write);
        (RecordedFault, bool) entry = (told, disposition == FaultDisposition.Suppressed);
        if (!_faults.Contains(entry))
            _faults.Add(entry);
    }

    /// <summary>Reads a register.</summary>
    public ulong Read(int offset, int width) => _machine.Load(MemoryLayout.RemappingUnit + (ulong)offset, width);

    /// <summary>Writes a register.</summary>
    public void Write(int offset, int width, ulong value) => _machine.Store(MemoryLayout.RemappingUnit + (ulong)offset, width, value);

    /// <summary>Has a device read memory.</summary>
    /// <returns>What the device got, and what it came to.</returns>
    public OurOutcome DmaRead(RecordedStep step)
    {
        Transfer(step.Device, step.Address, EduDevice.BufferStart, (ulong)step.Length, Start);
        return Outcome([]);
    }

    /// <summary>Has a device write memory.</summary>
    public OurOutcome DmaWrite(RecordedStep step)
    {
        _requests.Stage(step.Bytes);
        Transfer(step.Device, 0, EduDevice.BufferStart, (ulong)step.Bytes.Length, Start);
        Transfer(step.Device, EduDevice.BufferStart, step.Address, (ulong)step.Bytes.Length, Start | FromDevice);
        return Outcome([.. Landings(step)]);
    }

    /// <summary>Has a device send an interrupt message.</summary>
    public OurOutcome Send(RecordedStep step)
    {
        _ = _machine.Unit.Open(step.Source).Write(new(step.Address), BitConverter.GetBytes((uint)step.Value));
        return Outcome([]);
    }

    /// <summary>The interrupts since they were last asked for.</summary>
    public IReadOnlyList<RecordedInterrupt> TakeInterrupts() => [.. _machine.Interrupts.Take().Select(RecordedInterrupt.Of)];

    // Devices of bus 0 are where the case has them. Others are where there is room, as behind bridges that the script
    // does not speak of; their requests carry what the case says.
    private static Dictionary<string, SourceId> Places(IReadOnlyDictionary<string, RecordedDevice> devices)
    {
        Dictionary<string, SourceId> places = [];
        Queue<SourceId> free = new(Enumerable.Range(0, 256).Select(place => new SourceId((ushort)place)).Where(place => devices.Values.All(device => device.Source != place)));
        foreach ((string name, RecordedDevice device) in devices)
            places[name] = device.Source.Bus == 0 ? device.Source : free.Dequeue();
        return places;
    }

    private void Transfer(string device, ulong from, ulong to, ulong count, ulong command)
    {
        ulong registers = _registers[device];
        _machine.Store(registers + DmaSource, 8, from);
        _machine.Store(registers + DmaDestination, 8, to);
        _machine.Store(registers + DmaCount, 8, count);
        _machine.Store(registers + DmaCommand, 8, command);
    }

    // Whether each piece of what was written is where the recorder looked for it.
    private IEnumerable<bool> Landings(RecordedStep step)
    {
        int done = 0;
        foreach (RecordedLanding piece in step.ExpectedOutcome!.Landed)
        {
            byte[] found = new byte[piece.Length];
            yield return Memory.TryRead(new PhysicalAddress(piece.Address), found.AsSpan()) && found.AsSpan().SequenceEqual(step.Bytes.AsSpan(done, piece.Length));
            done += piece.Length;
        }
    }

    // A device cannot tell a refusal from an address where nothing answers; the unit's faults can.
    private OurOutcome Outcome(IReadOnlyList<bool> landed)
    {
        (IReadOnlyList<DmaStatus> answers, byte[] data) = _requests.Take();
        DmaResult status = _faults.Count != 0 ? DmaResult.Blocked
            : answers.All(answer => answer == DmaStatus.Success) ? DmaResult.Ok
            : DmaResult.Dropped;
        OurOutcome outcome = new(
            status, [.. _faults], Read(RegisterOffsets.FaultStatus, 4), Read(_faultRecord, 8), Read(_faultRecord + 8, 8), data, landed, TakeInterrupts());
        _faults.Clear();
        return outcome;
    }
}
