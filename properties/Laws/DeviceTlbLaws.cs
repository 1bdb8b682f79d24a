using Dma.Devices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A device that translates for itself: what it asks, what it keeps, and what it then sends (reference sheet, sections 1.4 and 8.1).</summary>
public sealed class DeviceTlbLaws : IDisposable
{
    private const ulong Address = 0x10_0000;
    private const ulong Frame = 0x20_0000;

    private readonly AtsWorld _world = new();
    private readonly byte[] _bytes = [1, 2, 3, 4, 5, 6, 7, 8];

    private AtsPort Port => _world.Device.Port;

    public void Dispose() => _world.Dispose();

    [Fact]
    public void What_was_asked_once_is_known_until_it_is_taken_back_and_a_hit_costs_no_memory()
    {
        _world.Map(Address, Frame);
        Assert.Equal(DmaStatus.Success, Port.Write(new(Address + 8), _bytes));
        Assert.Equal(DmaStatus.Success, Port.Read(new(Address), _bytes));
        Assert.Equal((1ul, 1ul), (Port.Questions, Port.Hits));
        Assert.Equal(0x0807060504030201ul, _world.Load(Frame + 8));
        Allocation.CheckNone(10, stretch =>
        {
            for (int count = 0; count < 100; count++)
                _ = Port.Read(new(Address), _bytes);
        });
        Assert.Equal((1ul, 1001ul), (Port.Questions, Port.Hits));
        _world.Submit(AtsWorld.IotlbPages(Address, 0), AtsWorld.DevicePages(Address, 0));
        Assert.True(_world.IsDone);
        Assert.Equal(0, Port.Count);
        _ = Port.Read(new(Address), _bytes);
        Assert.Equal(2ul, Port.Questions);
        Assert.Empty(_world.World.Faults);
    }

    [Fact]
    public void A_superpage_is_one_entry_and_goes_with_any_page_of_it()
    {
        _world.Map(0x20_0000, 0x20_0000, level: 2);
        Assert.Equal(DmaStatus.Success, Port.Write(new(0x20_0000 + 0x1FFC), _bytes));
        Assert.Equal(DmaStatus.Success, Port.Read(new(0x3F_FFF8), _bytes));
        Assert.Equal((1ul, 1), (Port.Questions, Port.Count));
        _ = _world.Device.Do(AtsCommand.Translate, 0x21_0000);
        TranslationEntry entry = new(new(_world.Device.ReadBar(0, AtsDevice.EntryRegister, 8)));
        Assert.Equal((true, 0x2F_F000ul), (entry.Size, entry.Address.Value));
        Assert.Equal(0x20_0000ul, TranslationCompletion.Of(entry).PageBytes);
        _world.Submit(AtsWorld.DevicePages(0x2A_B000, 0));
        Assert.Equal(0, Port.Count);
    }

    [Fact]
    public void A_right_that_is_missing_is_asked_for_again_before_the_request_is_refused_without_a_fault()
    {
        _world.Map(Address, Frame, write: false);
        Assert.Equal(DmaStatus.Success, Port.Read(new(Address), _bytes));
        Assert.Equal(DmaStatus.Blocked, Port.Write(new(Address), _bytes));
        Assert.Equal(DmaStatus.Blocked, Port.CompareSwap(new(Address), 0, 1, out _));
        Assert.Equal(DmaStatus.Blocked, Port.Read(new(Address + 4096), _bytes));
        Assert.Equal(4ul, Port.Questions);
        _world.Map(Address, Frame);
        _world.Submit(AtsWorld.IotlbPages(Address, 0));
        Assert.Equal(DmaStatus.Success, Port.Write(new(Address), _bytes));
        Assert.Equal(DmaStatus.Success, Port.CompareSwap(new(Address), BitConverter.ToUInt64(_bytes), 7, out _));
        Assert.Equal((5ul, 7ul), (Port.Questions, _world.Load(Frame)));
        Assert.Empty(_world.World.Faults);
    }

    [Fact]
    public void A_read_of_nothing_may_use_a_page_that_can_only_be_written()
    {
        _world.Map(Address, Frame, read: false);
        Assert.Equal(DmaStatus.Success, Port.Read(new(Address), []));
        Assert.Equal(DmaStatus.Blocked, Port.Read(new(Address), _bytes));
        Assert.Equal(DmaStatus.Blocked, Port.Read(new(Address + 4096), []));
    }

    [Fact]
    public void The_interrupt_range_is_used_untranslated()
    {
        Assert.Equal(DmaStatus.Success, Port.Write(new(InterruptRange.First), [0x41, 0, 0, 0]));
        Assert.Equal(new(InterruptRange.First, 0x41), Assert.Single(_world.World.Messages));
        Assert.Equal(DmaStatus.Success, Port.Write(new(InterruptRange.First), [0x42, 0, 0, 0]));
        Assert.Equal((1ul, 1ul), (Port.Questions, Port.Hits));
    }

    [Fact]
    public void Answers_in_pieces_smaller_than_software_promised_are_not_used()
    {
        _world.EnableAts(false);
        _world.EnableAts(true, smallestUnit: 9);
        _world.Map(Address, Frame);
        _world.Map(0x20_0000, 0x20_0000, level: 2);
        Assert.Equal(DmaStatus.Success, Port.Write(new(Address), _bytes));
        Assert.Equal((1ul, 0), (Port.Questions, Port.Count));
        Assert.Equal(DmaStatus.Success, Port.Write(new(0x20_0000), _bytes));
        Assert.Equal((2ul, 1), (Port.Questions, Port.Count));
    }

    [Fact]
    public void Turned_off_it_forgets_and_asks_nothing_and_turned_on_it_begins_with_nothing()
    {
        _world.Map(Address, Frame);
        _ = Port.Read(new(Address), _bytes);
        Assert.Equal(DmaStatus.Success, Port.TryBegin(new(Address), write: true, default, out AtsTransfer transfer));
        Assert.Equal(4096ul, Port.BytesOf(transfer));
        _world.EnableAts(false);
        Assert.Equal((0, 0ul), (Port.Count, Port.BytesOf(transfer)));
        Assert.Equal(DmaStatus.NotMaster, Port.Write(transfer, 0, _bytes));
        Assert.Equal(0ul, _world.Load(Frame));
        ulong questions = Port.Questions;
        Assert.Equal(DmaStatus.Success, Port.Write(new(Address), _bytes));
        Assert.Equal(TranslationStatus.UnsupportedRequest, Port.RequestTranslation(new(Address), false).Status);
        Assert.Equal(DmaStatus.NotMaster, Port.TryBegin(new(Address), false, default, out _));
        _world.EnableAts(true);
        Assert.Equal((questions, 0), (Port.Questions, Port.Count));
        Assert.Equal(DmaStatus.NotMaster, Port.Write(transfer, 0, _bytes));
        Assert.Empty(_world.World.Faults);
    }

    [Fact]
    public void Without_the_right_to_ask_it_is_told_so_and_goes_untranslated()
    {
        _world.Map(Address, Frame);
        _world.SetContext(TranslationType.UntranslatedOnly);
        Assert.Equal(DmaStatus.Success, Port.Write(new(Address), _bytes));
        Assert.Equal((1ul, 0), (Port.Questions, Port.Count));
        Assert.Equal(FaultReason.RequestTypeBlocked, _world.World.TakeFault().Fault.Reason);

        // Translation blocking in the port ends the question there; nothing reaches the unit.
        _world.SetContext(TranslationType.WithDeviceTlb);
        _world.CheckAtPort(AccessControls.TranslationBlocking);
        Assert.Equal(DmaStatus.Blocked, Port.Write(new(Address), _bytes));
        Assert.Empty(_world.World.Faults);
    }

    [Fact]
    public void A_PASID_has_translations_of_its_own_unless_they_are_good_for_all()
    {
        DeviceTlb tlb = new(new() { Sets = 3, Ways = 2 });
        DmaAttributes first = new() { Pasid = new(1) }, second = new() { Pasid = new(2) };
        TranslationEntry entry = new() { Read = true, Address = new(Frame) };
        tlb.Insert(new(Address), first, entry, 12);
        Assert.True(Finds(first));
        Assert.Equal([false, false, false], [Finds(default), Finds(second), Finds(first with { Privileged = true })]);
        tlb.Insert(new(Address), second, entry with { Global = true }, 12);
        Assert.Equal([false, true, false], [Finds(default), Finds(new() { Pasid = new(3) }), Finds(second with { Privileged = true })]);

        // One for requests without PASID touches neither; one for any PASID takes what is good for all with it.
        tlb.Invalidate(new(default, 64, null, false, default, 0));
        Assert.Equal(2, tlb.Count);
        tlb.Invalidate(new(default, 64, new Pasid(9), false, default, 0));
        Assert.Equal((1, true, false), (tlb.Count, Finds(first), Finds(second)));
        tlb.Invalidate(new(new(Address), 12, new Pasid(9), true, default, 0));
        Assert.Equal(0, tlb.Count);

        bool Finds(DmaAttributes attributes) => tlb.TryFind(new(Address), attributes, out _, out _);
    }

    [Theory]
    [InlineData(Replacement.RoundRobin)]
    [InlineData(Replacement.Random)]
    public void A_cache_holds_no_more_than_it_has_room_for_and_finds_only_what_was_put_in(Replacement replacement)
    {
        DeviceTlb tlb = new(new() { Sets = 4, Ways = 3, Replacement = replacement });
        for (ulong page = 0; page < 100; page++)
        {
            tlb.Insert(new(page << 12), default, new() { Read = true, Address = new(page << 12) }, 12);
            Assert.Equal(Math.Min((int)page + 1, 12), tlb.Count);
        }

        int found = 0;
        for (ulong page = 0; page < 100; page++)
        {
            if (!tlb.TryFind(new(page << 12), default, out TranslationEntry entry, out int shift))
                continue;
            found++;
            Assert.Equal((page << 12, 12), (entry.Address.Value, shift));
        }

        Assert.Equal(12, found);
    }

    [Fact]
    public void A_PASID_that_software_did_not_allow_is_not_sent()
    {
        DmaAttributes process = new() { Pasid = new(5) };
        Assert.Equal(DmaStatus.NotMaster, Port.Read(new(Address), _bytes, process));
        _world.EnablePasids(1);
        Assert.NotEqual(DmaStatus.NotMaster, Port.Read(new(Address), _bytes, process));
        Assert.Equal(FaultReason.PasidInLegacyMode, _world.World.Faults[0].Fault.Reason);
    }
}
