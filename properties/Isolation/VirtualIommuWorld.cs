using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;
using Step = Dma.Properties.VirtualIommuProgramTests.Step;
using What = Dma.Properties.VirtualIommuProgramTests.What;

namespace Dma.Properties;

/// <summary>Two guests with remapping units of their own, two devices in one and one in the other; every byte of both is compared with a model.</summary>
internal sealed class VirtualIommuWorld : IDisposable
{
    private const ulong PageSize = GuestTables.PageSize;
    private const ulong GuestBytes = GuestTables.GuestBytes;

    // Of the first stage, also what is negative and what is no address.
    private static readonly ulong[] s_firstStageAddresses = [.. GuestTables.Addresses(4), 0xFFFF_FF80_0000_0000, 0xFFFF_FFFF_FFFF_F000, 1ul << 50];
    private static readonly byte[] s_guestBytes = Bytes(1);
    private static readonly byte[] s_neighbourBytes = Bytes(0x80);

    private readonly Host _host;
    private readonly DmaDevice[] _devices = [new(), new(), new()];
    private readonly SourceId[] _places = [new(0, 1, 0), new(0, 2, 0), new(0, 1, 0)];
    private readonly VirtualMachine _guest;
    private readonly VirtualMachine _neighbour;
    private readonly VirtualIommuModel _model;
    private readonly VirtualIommuGuest _software;
    private readonly GuestTables _tables;
    private readonly ulong[] _addresses;
    private readonly bool[] _isAssigned = [true, true];
    private readonly bool _isNested;
    private readonly byte[] _found = new byte[GuestBytes];
    private readonly byte[] _known = new byte[GuestBytes];
    private byte _pattern;

    /// <summary>A world that works.</summary>
    /// <param name="profile">The unit of the host.</param>
    /// <param name="mode">How the guests' units are had.</param>
    /// <param name="forgetsPages">Whether the guest keeps quiet about pages that it should invalidate: as if its VMM took no notice.</param>
    public VirtualIommuWorld(HardwareProfile profile, VirtualIommuMode mode, bool forgetsPages)
    {
        _isNested = mode == VirtualIommuMode.Nested;
        _host = new(new() { MemoryBytes = 16 << 20, VmmBytes = 4 << 20, Profile = profile, Scalable = _isNested });
        for (int device = 0; device < _devices.Length; device++)
            _host.Pci.Add(_devices[device], device + 1);
        _host.Boot();
        _guest = _host.CreateMachine("guest", GuestBytes);
        _neighbour = _host.CreateMachine("neighbour", GuestBytes);
        _guest.PinnedPagesMax = 16_384;
        HardwareProfile seen = _guest.AddIommu(new() { Mode = mode }).Profile;
        _ = _neighbour.AddIommu(new() { Mode = mode });
        SourceId[] places = [_places[0], _places[1]];
        int levels = seen.Supports(AddressWidth.Bits48) || _isNested ? 4 : 3;
        _addresses = _isNested ? s_firstStageAddresses : [.. GuestTables.Addresses(levels)];
        _model = _isNested
            ? new NestedModel(seen, GuestBytes, places, _addresses)
            : new ShadowModel(seen, GuestBytes, places, _addresses);
        _software = new(_host, _guest, _model, GuestTables.QueuePage * PageSize);
        _tables = _isNested
            ? new NestedGuestTables(_software, places, _addresses) { ForgetsPages = forgetsPages }
            : new ShadowTables(_software, places, levels, _addresses) { ForgetsPages = forgetsPages };
        Assert.True(_neighbour.Cpu.TryWrite(new(0), s_neighbourBytes));
        _software.Write(0, s_guestBytes);
        _software.Write(0, new byte[(GuestTables.LastSystemPage + 1) * PageSize]);
        for (int device = 0; device < 3; device++)
            Assign(device);
        _tables.Begin();
    }

    public void Dispose()
    {
        _model.Dispose();
        _host.Dispose();
    }

    public void Take(Step step)
    {
        switch (step.What)
        {
            case What.Edit:
                _tables.Edit(step);
                break;
            case What.EditContext:
                _tables.EditContext(step);
                break;
            case What.InvalidateIotlb:
                _tables.InvalidateIotlb(step);
                break;
            case What.InvalidateContext:
                _tables.InvalidateContext(step);
                break;
            case What.InvalidateAll:
                _tables.InvalidateAll();
                break;
            case What.Write or What.Read:
                Move(step);
                AdoptMarks();
                break;
            case What.SetRoot:
                _software.SetRoot(_tables.RootOf(step));
                break;
            case What.Translate:
                _software.Translate(!_model.IsTranslating || step.Kind < 15);
                break;
            default:
                Reassign(step.Device);
                break;
        }
    }

    public void End()
    {
        CheckMemory();
        _host.Loop.Run(() => _host.Destroy(_guest).AsTask());
        Assert.Equal(GuestBytes / PageSize, _host.Frames.Pins);
        _host.Loop.Run(() => _host.Destroy(_neighbour).AsTask());
        Assert.Equal(0ul, _host.Frames.Pins);
    }

    private static byte[] Bytes(int salt)
    {
        byte[] bytes = new byte[GuestBytes];
        for (int at = 0; at < bytes.Length; at += 8)
            BitConverter.TryWriteBytes(bytes.AsSpan(at), ((ulong)at * 0x9E3779B97F4A7C15) + (ulong)salt);
        return bytes;
    }

    private void Move(Step step)
    {
        if (!_isAssigned[step.Device])
            return;
        int at = step.Place % _addresses.Length;
        int offset = (int)(step.Bits & 0xFF8);
        byte[] data = new byte[8];
        Array.Fill(data, ++_pattern);
        bool write = step.What == What.Write;
        DmaStatus status = write
            ? _devices[step.Device].Write(_addresses[at] + (ulong)offset, data)
            : _devices[step.Device].Read(_addresses[at] + (ulong)offset, data);
        CheckReach(step.Device, _addresses[at], write);
        List<VirtualIommuModel.Answer> possible = [.. _model.Possible(step.Device, at, write)];
        List<ulong?> targets = [.. possible.Select(answer => answer.Target).Distinct()];
        if (status != DmaStatus.Success)
        {
            Assert.Contains(null, targets);

            // What the unit marked on the way was there before the fault was reported.
            AdoptMarks();
            CheckFault(step, at, write, possible);
            return;
        }

        // Of all that is possible, one is what happened.
        byte[] there = new byte[8];
        int landed = 0;
        foreach (ulong target in targets.OfType<ulong>())
        {
            ulong place = target + (ulong)offset;
            Assert.True(_guest.Cpu.TryRead(new(place), there));
            if (!there.AsSpan().SequenceEqual(data))
                continue;
            landed++;
            if (write)
                _model.Write(place, data);
        }

        Assert.True(landed > 0, $"{step} at {_addresses[at]:X}h went where no table led it.");
        if (write)
            _model.Changed();
    }

    // Whatever the guest's tables say, the host's lead nowhere but into its memory.
    private void CheckReach(int device, ulong address, bool write)
    {
        WalkTranscript story = _host.Unit.Explain(_devices[device].Source, new(address), write);
        Assert.True(!story.Passes || _host.Frames.OwnerOf(story.Target) == _guest.Owner, $"{address:X}h leads to {story.Target}.");
    }

    // A unit that walks the guest's tables marks the entries that it uses, and changes nothing else.
    private void AdoptMarks()
    {
        if (!_isNested)
            return;
        (byte[] found, byte[] known) = (_found, _known);
        Assert.True(_guest.Cpu.TryRead(new(0), found));
        Assert.True(_model.Memory.TryRead(new(0), known));
        int at = found.AsSpan().CommonPrefixLength(known);
        bool any = at < found.Length;
        while (at < found.Length)
        {
            at &= ~7;
            ulong entry = BitConverter.ToUInt64(known, at);
            ulong marked = BitConverter.ToUInt64(found, at);
            Assert.True((entry & 1) != 0 && (marked & ~NestedModel.Marks) == (entry & ~NestedModel.Marks) && (entry & ~marked) == 0, $"{entry:X}h at {at:X}h became {marked:X}h.");
            _model.Write((ulong)at, found.AsSpan(at, 8));
            at += 8;
            at += found.AsSpan(at).CommonPrefixLength(known.AsSpan(at));
        }

        if (any)
            _model.Changed();
    }

    // What the guest's unit records is what the request was, for a reason that the tables give or gave.
    private void CheckFault(Step step, int at, bool write, List<VirtualIommuModel.Answer> possible)
    {
        _host.Loop.RunFor(1_000_000);
        FaultStatus status = new(new((uint)_software.Load(RegisterOffsets.FaultStatus, 4)));
        if (!status.PrimaryPendingFault)
            return;
        int offset = RegisterOffsets.FaultRecord(_software.Capabilities, status.FaultRecordIndex);
        FaultRecord record = new(new(_software.Load(offset, 8), _software.Load(offset + 8, 8)));
        Assert.True(_model.IsTranslating);
        Assert.Equal((_places[step.Device], _addresses[at], write), (record.Source, record.Address.Value, !record.Type1));
        WalkTranscript story = _model.Explain(_places[step.Device], _addresses[at], write);
        FaultReason expected = story.Fault != FaultReason.None ? story.Fault : NotPermitted(write);
        bool isPast = possible.Exists(answer => answer.Reason == record.Reason);
        Assert.True(isPast || record.Reason == expected, $"{step} at {_addresses[at]:X}h is refused for {record.Reason}, not for {expected}.");
        Assert.True(story.Reported);
        Assert.True(isPast || !story.Passes || possible.Exists(answer => answer.Target is not null) || story.Target.Value < GuestBytes);
        _software.Store(offset + 8, 8, 1ul << 63);
        _software.Store(RegisterOffsets.FaultStatus, 4, status.Raw.Value);
    }

    private FaultReason NotPermitted(bool write) => (_isNested, write) switch
    {
        (true, true) => FaultReason.ScalableWriteNotPermitted,
        (true, false) => FaultReason.ScalableReadNotPermitted,
        (false, true) => FaultReason.WriteNotPermitted,
        (false, false) => FaultReason.ReadNotPermitted,
    };

    private void Reassign(int device)
    {
        Assignment assignment = _host.AssignmentOf(_devices[device].Source);
        if (_isAssigned[device])
            Assert.True(_host.Loop.Run(() => assignment.TakeBack().AsTask()).IsDone);
        else
            Assign(device);
        _isAssigned[device] = !_isAssigned[device];
        if (_isAssigned[0] || _isAssigned[1])
            return;
        Assert.Equal(0ul, _guest.PinnedPages);
    }

    private void Assign(int device)
    {
        VirtualMachine machine = device == 2 ? _neighbour : _guest;
        Assert.Equal(AssignmentResult.Done, _host.Loop.Run(() => _host.AssignmentOf(_devices[device].Source).Assign(machine, _places[device]).AsTask()));
        machine.Pci.WriteConfiguration(_places[device], PciOffset.Command, 2, (uint)PciCommand.BusMaster);
    }

    private void CheckMemory()
    {
        CheckBytes(_neighbour, s_neighbourBytes);
        Assert.True(_model.Memory.TryRead(new(0), _known));
        CheckBytes(_guest, _known);
    }

    private void CheckBytes(VirtualMachine machine, byte[] expected)
    {
        Assert.True(machine.Cpu.TryRead(new(0), _found));
        Assert.True(expected.AsSpan().SequenceEqual(_found), $"Memory of {machine} changed.");
    }
}
