using Dma.Devices;
using Dma.Iommu;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs on a device with a TLB of its own, beside a model of which translations may still be used.</summary>
/// <remarks>
/// The model knows, of each page, which former mappings the unit may hold and which ones the device may hold. An
/// invalidation takes them away when its wait has completed, from the device only those that were there before it was
/// sent; what the unit still holds can come back into the device. So after the proper order nothing but the table counts.
/// </remarks>
public sealed class DeviceTlbModelTests
{
    private const int Pages = 8;
    private const ulong First = 0x10_0000;
    private const ulong FirstFrame = 0x20_0000;
    private const int FramesMax = 256;

    private enum What
    {
        Map,
        Unmap,
        Use,
        Read,
        Begin,
        End,
        InvalidateUnit,
        InvalidateDevice,
        InvalidateBoth,
        InvalidateBackwards,
        Answer,
        Ats,
        Time,
        Recover,
    }

    [Theory]
    [InlineData("friendly")]
    [InlineData("hostile")]
    public void Only_what_was_mapped_and_not_yet_taken_back_is_used(string profile)
    {
        Tally tally = new();
        Property.Check(Steps().ToPrograms(), program => Execute(profile, program, tally), 1700);

        // The programs come to what they are about.
        Assert.True(tally.Stale > 50 && tally.Fresh > 1000 && tally.Completed > 1000 && tally.TimedOut > 50, tally.ToString());
    }

    private static FsCheck.Gen<Step> Steps() =>
        from what in Gen.Frequency(
            (6, Gen.Constant(What.Map)), (3, Gen.Constant(What.Unmap)), (12, Gen.Constant(What.Use)), (3, Gen.Constant(What.Read)),
            (2, Gen.Constant(What.Begin)), (2, Gen.Constant(What.End)), (1, Gen.Constant(What.InvalidateUnit)),
            (1, Gen.Constant(What.InvalidateDevice)), (5, Gen.Constant(What.InvalidateBoth)), (2, Gen.Constant(What.InvalidateBackwards)),
            (2, Gen.Constant(What.Answer)), (1, Gen.Constant(What.Ats)), (3, Gen.Constant(What.Time)), (3, Gen.Constant(What.Recover)))
        from page in Gen.Choose(0, Pages - 1)
        from number in Gen.Choose(0, 15)
        select new Step(what, page, number);

    private static void Execute(string profile, Step[] program, Tally tally)
    {
        using Run run = new(profile, tally);
        foreach (Step step in program)
            run.Do(step);
    }

    private readonly record struct Step(What What, int Page, int Number);

    private readonly record struct Mapping(ulong Frame, bool Read, bool Write);

    private sealed record Tally
    {
        public int Stale { get; set; }

        public int Fresh { get; set; }

        public int Completed { get; set; }

        public int TimedOut { get; set; }
    }

    // What a device may hold of a page when an invalidation is sent, and what the unit may still give it afterwards.
    private sealed record Sent(int Number, int First, int Count, Mapping[][] Held, Mapping[][] Refill);

    private sealed class Run : IDisposable
    {
        private readonly AtsWorld _world;
        private readonly Tally _tally;
        private readonly Mapping[] _now = new Mapping[Pages];
        private readonly HashSet<Mapping>[] _unit = [.. Enumerable.Range(0, Pages).Select(_ => new HashSet<Mapping>())];
        private readonly HashSet<Mapping>[] _device = [.. Enumerable.Range(0, Pages).Select(_ => new HashSet<Mapping>())];
        private readonly byte[] _bytes = new byte[8];
        private Sent? _sent;
        private (AtsTransfer Transfer, int Page, Mapping[] Allowed, int AfterSent)? _transfer;
        private int _sentCount;
        private int _frames;
        private ulong _ticket;
        private bool _isOn = true;

        public Run(string profile, Tally tally)
        {
            _tally = tally;
            _world = new(HardwareProfile.Named(profile), new() { Tlb = new() { Sets = 3, Ways = 2, Replacement = Replacement.Random } });
            _world.Device.DelayNs = 10_000;
        }

        public void Dispose() => _world.Dispose();

        public void Do(Step step)
        {
            switch (step.What)
            {
                case What.Map when _frames < FramesMax:
                    Change(step.Page, new(FirstFrame + (4096ul * (ulong)_frames++), step.Number != 0, step.Number % 4 != 1));
                    break;
                case What.Unmap:
                    Change(step.Page, default);
                    break;
                case What.Use:
                    Use(step.Page);
                    break;
                case What.Read:
                    bool moved = _world.Device.Port.Read(AddressOf(step.Page), _bytes) == DmaStatus.Success;
                    Assert.Contains(Candidates(step.Page), mapping => mapping.Read == moved);
                    break;
                case What.Begin when _transfer is null:
                    Begin(step.Page);
                    break;
                case What.End:
                    End();
                    break;
                case What.InvalidateUnit or What.InvalidateDevice or What.InvalidateBoth or What.InvalidateBackwards when _sent is null:
                    Invalidate(step);
                    break;
                case What.Answer:
                    _world.Device.Answer = (AtsAnswer)(step.Number % 4);
                    break;
                case What.Ats:
                    Switch();
                    break;
                case What.Time:
                    _world.Loop.RunFor(step.Number < 12 ? 10_000u : AtsWorld.TimeoutNs);
                    Settle();
                    break;
                case What.Recover:
                    Recover();
                    break;
                default:
                    // Nothing to do at this time.
                    break;
            }
        }

        private static Iova AddressOf(int page) => new(First + (4096ul * (ulong)page));

        private static Mapping[][] Copy(HashSet<Mapping>[] sets) => [.. sets.Select(set => set.ToArray())];

        private IEnumerable<Mapping> Candidates(int page) => [_now[page], .. _unit[page], .. _device[page]];

        private void Change(int page, Mapping mapping)
        {
            // With caching mode the unit may remember, too, that nothing was mapped.
            if (_now[page] != default || _world.World.Profile.CachesFaults)
                _ = _unit[page].Add(_now[page]);
            if (_now[page] != default)
                _ = _device[page].Add(_now[page]);

            _now[page] = mapping;
            _world.Map(AddressOf(page).Value, mapping.Frame, mapping.Read, mapping.Write);
        }

        private void Use(int page)
        {
            BitConverter.TryWriteBytes(_bytes, ++_ticket);
            DmaStatus status = _world.Device.Port.Write(AddressOf(page), _bytes);
            Judge(page, status, [.. Candidates(page)]);
        }

        private void Begin(int page)
        {
            Mapping[] allowed = [.. Candidates(page)];
            DmaStatus status = _world.Device.Port.TryBegin(AddressOf(page), write: true, default, out AtsTransfer transfer);
            if (status == DmaStatus.Success)
                _transfer = (transfer, page, allowed, _sentCount);
            else if (_isOn)
                Assert.Contains(allowed, mapping => !mapping.Write);
        }

        private void End()
        {
            if (_transfer is not { } begun)
                return;
            _transfer = null;
            BitConverter.TryWriteBytes(_bytes, ++_ticket);
            DmaStatus status = _world.Device.Port.Write(begun.Transfer, 0, _bytes);
            Judge(begun.Page, status, begun.Allowed);
            _world.Device.Port.End(begun.Transfer);
            Settle();
        }

        // Where the number went, it was allowed to go; where it went nowhere, something allowed that.
        private void Judge(int page, DmaStatus status, Mapping[] allowed)
        {
            if (status != DmaStatus.Success)
            {
                Assert.Equal(DmaStatus.Blocked, status);
                Assert.Contains(allowed, mapping => !mapping.Write);
                return;
            }

            Mapping hit = Assert.Single(allowed.Where(mapping => mapping.Frame != 0 && _world.Load(mapping.Frame) == _ticket).Distinct());
            Assert.True(hit.Write);
            if (hit == _now[page])
                _tally.Fresh++;
            else
                _tally.Stale++;
        }

        private void Invalidate(Step step)
        {
            int mask = step.Number % 4;
            int first = step.Page >> mask << mask;
            int count = 1 << mask;
            ulong address = AddressOf(first).Value;
            Bits128 unit = AtsWorld.IotlbPages(address, mask), device = AtsWorld.DevicePages(address, mask);
            Resume();
            Mapping[][] held = Copy(_device), before = Copy(_unit);
            Bits128[] descriptors = step.What switch
            {
                What.InvalidateUnit => [unit],
                What.InvalidateDevice => [device],
                What.InvalidateBoth => [unit, device],
                _ => [device, unit],
            };
            _world.Submit(descriptors);

            if (step.What != What.InvalidateDevice)
                ForgetInUnit(first, count);
            if (step.What == What.InvalidateUnit)
                return;
            Mapping[][] refill = step.What == What.InvalidateBoth ? Copy(_unit) : before;
            _sent = new(++_sentCount, first, count, held, refill);
            Settle();
        }

        private void ForgetInUnit(int first, int count)
        {
            for (int page = first; page < first + count; page++)
                _unit[page].Clear();
        }

        // The wait has completed: the device holds nothing that it held before, unless the unit gave it again.
        private void Settle()
        {
            if (_world.World.FaultStatus.InvalidationTimeout)
            {
                if (_sent is not null)
                    _tally.TimedOut++;
                _sent = null;
                return;
            }

            if (_sent is not { } sent || !_world.IsDone)
                return;
            _tally.Completed++;
            _sent = null;

            // Nothing that began before is under way.
            Assert.False(_transfer is { } begun && begun.Page >= sent.First && begun.Page < sent.First + sent.Count && begun.AfterSent < sent.Number);
            for (int page = sent.First; page < sent.First + sent.Count; page++)
            {
                _device[page].ExceptWith(sent.Held[page]);
                _device[page].UnionWith(sent.Refill[page]);
            }
        }

        private void Switch()
        {
            _isOn = !_isOn;
            _world.EnableAts(_isOn);

            // Whatever the device held, it holds no longer: what it asks for now, the unit answers.
            for (int page = 0; page < Pages; page++)
            {
                _device[page].Clear();
                _device[page].UnionWith(_unit[page]);
            }

            _transfer = null;
            Settle();
        }

        private void Recover()
        {
            _world.Device.Answer = AtsAnswer.Honest;
            Resume();
        }

        // A device that let the time pass may complete what it still has when it likes: software begins with it anew.
        private void Resume()
        {
            if (_world.World.FaultStatus.InvalidationTimeout)
            {
                Settle();
                Switch();
                Switch();
            }

            _world.ClearErrors();
        }
    }
}
