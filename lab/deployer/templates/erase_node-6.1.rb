# nailgun-mcagents of Fuel 6.1, in the lab's words: what the agent does to disks, whatever is on them.
module MCollective
  module Agent
    class Erase_node < RPC::Agent
      action "erase_node" do
        Dir["/sys/block/*"].map { |path| File.basename(path) }.each do |disk|
          Dir["/dev/#{disk}{p,}[0-9]*"].each do |partition|
            system("dd if=/dev/zero of=#{partition} bs=1M count=10 oflag=direct")
          end
          system("dd if=/dev/zero of=/dev/#{disk} bs=1M count=1 oflag=direct")
        end
        reply[:erased] = true
      end
    end
  end
end
