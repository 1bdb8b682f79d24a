using Dma.Iommu.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the reference sheet, sections 1.3, 1.4, 2.2, 3.1 to 3.6, 4.1 and 6.4.</summary>
public sealed class RemappingLayouts
{
    [Fact]
    public void A_root_entry_has_the_bits_of_the_manual() =>
        Wide(raw => new RootEntry(new(raw[0], raw[1])), ("Present", "0"), ("ContextTable", "63:12"));

    [Fact]
    public void A_context_entry_has_the_bits_of_the_manual() =>
        Wide(
            raw => new ContextEntry(new(raw[0], raw[1])),
            ("Present", "0"),
            ("FaultProcessingDisable", "1"),
            ("TranslationType", "3:2"),
            ("SecondStageTable", "63:12"),
            ("AddressWidth", "66:64"),
            ("Available", "70:67"),
            ("DomainId", "87:72"));

    [Fact]
    public void A_second_stage_entry_has_the_bits_of_the_manual() =>
        Narrow(
            raw => new SecondStageEntry(new(raw[0])),
            ("Read", "0"),
            ("Write", "1"),
            ("Execute", "2"),
            ("MemoryType", "5:3"),
            ("IgnorePat", "6"),
            ("PageSize", "7"),
            ("Accessed", "8"),
            ("Dirty", "9"),
            ("Snoop", "11"),
            ("Address", "51:12"),
            ("TransientMapping", "62"));

    [Fact]
    public void The_memory_type_capability_register_has_the_bits_of_the_manual() =>
        Narrow(raw => new MemoryTypeCapability(new(raw[0])), ("VariableRanges", "7:0"), ("FixedRanges", "8"), ("WriteCombining", "10"));

    [Fact]
    public void The_enhanced_command_response_has_the_bits_of_the_manual() =>
        Narrow(raw => new EnhancedCommandResponse(new(raw[0])), ("InProgress", "0"), ("Status", "7:1"));

    [Fact]
    public void The_capability_register_has_the_bits_of_the_manual() =>
        Narrow(
            raw => new CapabilityRegister(new(raw[0])),
            ("DomainsCode", "2:0"),
            ("AdvancedFaultLogging", "3"),
            ("RequiredWriteBufferFlush", "4"),
            ("ProtectedLowMemory", "5"),
            ("ProtectedHighMemory", "6"),
            ("CachingMode", "7"),
            ("SupportedWidths", "12:8"),
            ("MaximumWidthCode", "21:16"),
            ("ZeroLengthRead", "22"),
            ("FaultRecordOffset", "33:24"),
            ("SecondStage2M", "34"),
            ("SecondStage1G", "35"),
            ("PageSelectiveInvalidation", "39"),
            ("FaultRecordsCode", "47:40"),
            ("MaximumAddressMask", "53:48"),
            ("WriteDrain", "54"),
            ("ReadDrain", "55"),
            ("FirstStage1G", "56"),
            ("PostedInterrupts", "59"),
            ("FirstStage5Level", "60"),
            ("EnhancedCommands", "61"),
            ("EnhancedSetInterruptPointer", "62"),
            ("EnhancedSetRootPointer", "63"));

    [Fact]
    public void The_extended_capability_register_has_the_bits_of_the_manual() =>
        Narrow(
            raw => new ExtendedCapabilityRegister(new(raw[0])),
            ("CoherentWalks", "0"),
            ("QueuedInvalidation", "1"),
            ("DeviceTlb", "2"),
            ("InterruptRemapping", "3"),
            ("ExtendedInterruptMode", "4"),
            ("PassThrough", "6"),
            ("SnoopControl", "7"),
            ("IotlbRegisterOffset", "17:8"),
            ("MaximumHandleMask", "23:20"),
            ("MemoryTypes", "25"),
            ("Nested", "26"),
            ("PageRequests", "29"),
            ("ExecuteRequests", "30"),
            ("SupervisorRequests", "31"),
            ("NoWriteFlag", "33"),
            ("ExtendedAccessed", "34"),
            ("PasidSizeCode", "39:35"),
            ("ProcessAddressSpaces", "40"),
            ("DeviceTlbThrottle", "41"),
            ("PageRequestDrain", "42"),
            ("ScalableMode", "43"),
            ("VirtualCommands", "44"),
            ("SecondStageAccessedDirty", "45"),
            ("SecondStage", "46"),
            ("FirstStage", "47"),
            ("ScalableWalkCoherency", "48"),
            ("RidPasid", "49"),
            ("PerformanceMonitoring", "51"),
            ("AbortDma", "52"),
            ("RidPrivilege", "53"),
            ("StopMarkers", "58"));

    [Fact]
    public void Command_and_status_have_the_bits_of_the_manual()
    {
        Narrow(
            raw => new GlobalCommand(new(raw[0])),
            ("TranslationEnable", "31"),
            ("SetRootTablePointer", "30"),
            ("SetFaultLog", "29"),
            ("EnableAdvancedFaultLog", "28"),
            ("WriteBufferFlush", "27"),
            ("QueuedInvalidationEnable", "26"),
            ("InterruptRemappingEnable", "25"),
            ("SetInterruptRemapTablePointer", "24"),
            ("CompatibilityFormatInterrupt", "23"));
        Narrow(
            raw => new GlobalStatus(new(raw[0])),
            ("TranslationEnabled", "31"),
            ("RootTablePointerSet", "30"),
            ("FaultLogSet", "29"),
            ("AdvancedFaultLogEnabled", "28"),
            ("WriteBufferFlushing", "27"),
            ("QueuedInvalidationEnabled", "26"),
            ("InterruptRemappingEnabled", "25"),
            ("InterruptRemapTablePointerSet", "24"),
            ("CompatibilityFormatInterrupts", "23"));
        Narrow(raw => new VersionRegister(new(raw[0])), ("Minor", "3:0"), ("Major", "7:4"));
        Narrow(raw => new RootTableAddress(new(raw[0])), ("Mode", "11:10"), ("Table", "63:12"));
    }

    [Fact]
    public void Page_request_formats_have_the_bits_of_the_manual()
    {
        static PageRequestDescriptor Read(ulong[] raw) => new(new(raw[0], raw[1], raw[2], raw[3]));
        LayoutProbe.Check(
            4,
            Read,
            ("Type", "7:0"),
            ("PasidPresent", "8"),
            ("Requester", "31:16"),
            ("Pasid", "51:32"),
            ("Execute", "52"),
            ("Privileged", "53"),
            ("Read", "64"),
            ("Write", "65"),
            ("LastInGroup", "66"),
            ("Group", "75:67"),
            ("Address", "127:76"));
        LayoutProbe.CheckWrites(4, Read);
        Narrow(raw => new PageRequestQueueAddress(new(raw[0])), ("SizeCode", "2:0"), ("Table", "63:12"));
        Narrow(raw => new PageRequestQueueHead(new(raw[0])), ("Offset", "18:5"));
        Narrow(raw => new PageRequestQueueTail(new(raw[0])), ("Offset", "18:5"));
        Narrow(raw => new PageRequestStatus(new(raw[0])), ("Pending", "0"), ("Overflow", "1"));
    }

    [Fact]
    public void Fault_registers_have_the_bits_of_the_manual()
    {
        Narrow(
            raw => new FaultStatus(new(raw[0])),
            ("PrimaryFaultOverflow", "0"),
            ("PrimaryPendingFault", "1"),
            ("AdvancedFaultOverflow", "2"),
            ("AdvancedPendingFault", "3"),
            ("InvalidationQueueError", "4"),
            ("InvalidationCompletionError", "5"),
            ("InvalidationTimeout", "6"),
            ("FaultRecordIndex", "15:8"));
        Narrow(raw => new EventControl(new(raw[0])), ("Pending", "30"), ("Mask", "31"));
        Wide(
            raw => new FaultRecord(new(raw[0], raw[1])),
            ("Address", "63:12"),
            ("InterruptIndex", "63:48"),
            ("Source", "79:64"),
            ("Type2", "92"),
            ("Privileged", "93"),
            ("Execute", "94"),
            ("PasidPresent", "95"),
            ("Reason", "103:96"),
            ("Pasid", "123:104"),
            ("AddressType", "125:124"),
            ("Type1", "126"),
            ("Fault", "127"));
    }

    [Fact]
    public void Invalidation_registers_have_the_bits_of_the_manual()
    {
        Narrow(
            raw => new ContextCommand(new(raw[0])),
            ("DomainId", "15:0"),
            ("Source", "31:16"),
            ("FunctionMask", "33:32"),
            ("ActualGranularity", "60:59"),
            ("RequestedGranularity", "62:61"),
            ("Invalidate", "63"));
        Narrow(
            raw => new IotlbInvalidate(new(raw[0])),
            ("DomainId", "47:32"),
            ("DrainWrites", "48"),
            ("DrainReads", "49"),
            ("ActualGranularity", "58:57"),
            ("RequestedGranularity", "61:60"),
            ("Invalidate", "63"));
        Narrow(raw => new InvalidateAddress(new(raw[0])), ("AddressMask", "5:0"), ("Hint", "6"), ("Address", "63:12"));
        Narrow(raw => new InvalidationQueueAddress(new(raw[0])), ("SizeCode", "2:0"), ("WideDescriptors", "11"), ("Table", "63:12"));
        Narrow(raw => new InvalidationQueueHead(new(raw[0])), ("Offset", "18:4"));
        Narrow(raw => new InvalidationQueueTail(new(raw[0])), ("Offset", "18:4"));
        Narrow(raw => new InvalidationCompletionStatus(new(raw[0])), ("WaitComplete", "0"));
        Narrow(
            raw => new InvalidationQueueErrorRecord(new(raw[0])),
            ("Error", "3:0"),
            ("TimeoutSource", "47:32"),
            ("CompletionSource", "63:48"));
        Narrow(raw => new ProtectedMemoryEnable(new(raw[0])), ("Status", "0"), ("Enable", "31"));
    }

    [Fact]
    public void Invalidation_descriptors_have_the_bits_of_the_manual()
    {
        Wide(raw => new InvalidationDescriptor(new(raw[0], raw[1])), ("TypeLow", "3:0"), ("TypeHigh", "11:9"));
        Wide(
            raw => new ContextCacheDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("Granularity", "5:4"),
            ("DomainId", "31:16"),
            ("Source", "47:32"),
            ("FunctionMask", "49:48"));
        Wide(
            raw => new IotlbDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("Granularity", "5:4"),
            ("DrainWrites", "6"),
            ("DrainReads", "7"),
            ("DomainId", "31:16"),
            ("AddressMask", "69:64"),
            ("Hint", "70"),
            ("Address", "127:76"));
        Wide(
            raw => new WaitDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("Interrupt", "4"),
            ("StatusWrite", "5"),
            ("Fence", "6"),
            ("PageRequestDrain", "7"),
            ("StatusData", "63:32"),
            ("StatusAddress", "127:66"));
    }

    [Fact]
    public void Descriptors_for_devices_and_interrupts_have_the_bits_of_the_manual()
    {
        Wide(
            raw => new DeviceTlbDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("PhysicalFunction", "15:12, 63:52"),
            ("MaximumPending", "20:16"),
            ("Source", "47:32"),
            ("Size", "64"),
            ("Address", "127:76"));
        Wide(
            raw => new InterruptEntryCacheDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("IndexSelective", "4"),
            ("IndexMask", "31:27"),
            ("Index", "47:32"));
        Wide(
            raw => new PageGroupResponseDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("PasidPresent", "4"),
            ("Code", "15:12"),
            ("Requester", "31:16"),
            ("Pasid", "51:32"),
            ("LastInGroup", "66"),
            ("Group", "75:67"));
        Assert.Equal(0x8003ul, new DeviceTlbDescriptor { Type = InvalidationDescriptorType.DeviceTlb, PhysicalFunction = new(0x9678) }.Raw.Bits(15, 0));
        Assert.Equal(0x967ul, new DeviceTlbDescriptor { PhysicalFunction = new(0x9678) }.Raw.Bits(63, 52));
        Assert.Equal(0x967ul, new PasidDeviceTlbDescriptor { PhysicalFunction = new(0x9678) }.Raw.Bits(63, 52));
    }

    [Fact]
    public void Descriptors_for_PASIDs_have_the_bits_of_the_manual()
    {
        Wide(
            raw => new PasidIotlbDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("Granularity", "5:4"),
            ("DomainId", "31:16"),
            ("Pasid", "51:32"),
            ("AddressMask", "69:64"),
            ("Hint", "70"),
            ("Address", "127:76"));
        Wide(
            raw => new PasidCacheDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("Granularity", "5:4"),
            ("DomainId", "31:16"),
            ("Pasid", "51:32"));
        Wide(
            raw => new PasidDeviceTlbDescriptor(new(raw[0], raw[1])),
            ("Type", "3:0"),
            ("MaximumPending", "8:4"),
            ("PhysicalFunction", "15:12, 63:52"),
            ("Source", "31:16"),
            ("Pasid", "51:32"),
            ("Global", "64"),
            ("Size", "75"),
            ("Address", "127:76"));
    }

    [Fact]
    public void An_address_that_its_field_has_no_room_for_is_refused_where_an_entry_is_built()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new RootEntry { ContextTable = new(0x1800) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new WaitDescriptor { StatusAddress = new(0x1002) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new SecondStageEntry { Address = new(1ul << 52) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new ContextCacheDescriptor { FunctionMask = 4 });
    }

    private static void Narrow<T>(Func<ulong[], T> read, params (string Property, string Bits)[] table)
        where T : struct => Both(1, read, table);

    private static void Wide<T>(Func<ulong[], T> read, params (string Property, string Bits)[] table)
        where T : struct => Both(2, read, table);

    private static void Both<T>(int words, Func<ulong[], T> read, (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(words, read, table);
        LayoutProbe.CheckWrites(words, read);
    }
}
